"""The pipelines of a trial, and their expected outputs.

The responses of the model and the receiver depend on the run's tag, which is part of the input, and of each prompt as
`[[TAG/STEP]]`.
"""

import re
from dataclasses import dataclass
from typing import Any

SECRET_NAME = "CHAOS_SIGNING"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
MODEL = "openai/gpt-4o-mini"
MARK = re.compile(r"\[\[([^/\]]+)/([^\]]+)\]\]")
"""Matches tag and step in a prompt."""
REFUSED = "refused"
LONG = "long"
"""Names of steps that the model refuses, and that take it seconds."""

# The model fails at most twice per step. The other attempts are for lost responses.
_RETRY = {"max_attempts": 10, "backoff_ms": 50, "max_backoff_ms": 500}


@dataclass(frozen=True)
class Pipeline:
    """A definition, and how its runs end unless they are cancelled."""

    name: str
    definition: dict[str, Any]
    ends: str = "completed"
    error_code: str | None = None

    @property
    def asked(self) -> list[str]:
        """Ids of the steps that call the model, in order."""
        return [step["id"] for step in self.definition["steps"] if step["type"] == "llm"]

    @property
    def targets(self) -> list[str]:
        """Types of the targets that receive the result."""
        told = self.definition.get("output", {}).get("deliver", [])
        told = told + self.definition.get("notifications", {}).get("on_failure", [])
        return [target["type"] for target in told]

    def output(self, tag: str, steps: dict[str, Any]) -> str | None:
        """The expected output, given the outputs of the steps that call the model."""
        if self.ends != "completed":
            return None
        return " | ".join([f"<{tag}>", *(str(steps[step]) for step in self.asked)])


def _ask(step: str) -> dict[str, Any]:
    prompt = f"[[{{{{input.tag}}}}/{step}]] Say something."
    return {"id": step, "type": "llm", "model": MODEL, "prompt": prompt, "retry": _RETRY}


def _shape(step: str, template: str) -> dict[str, Any]:
    return {"id": step, "type": "transform", "template": template}


def _join(*asked: str) -> dict[str, Any]:
    parts = ["{{steps.head.output}}", *(f"{{{{steps.{step}.output}}}}" for step in asked)]
    return _shape("join", " | ".join(parts))


def _pipeline(name: str, *asked: str, **more: Any) -> Pipeline:
    head = _shape("head", "<{{input.tag}}>")
    steps = [head, *map(_ask, asked), _join(*asked)]
    ends = "failed" if REFUSED in asked else "completed"
    definition = {
        "name": name,
        "input": {"schema": {"tag": {"type": "string", "required": True}}},
        "steps": steps,
        **more,
    }
    return Pipeline(name, definition, ends, "provider_error" if ends == "failed" else None)


def pipelines(receiver_url: str) -> dict[str, Pipeline]:
    """All pipelines by name."""
    hook = {
        "type": "webhook",
        "url": f"{receiver_url}/{{{{run.id}}}}",
        "signing_secret_name": SECRET_NAME,
    }
    mail = {"type": "email", "to": "chaos@example.com", "subject": "{{run.id}}"}
    told = {"output": {"deliver": [hook]}}
    made = [
        _pipeline("shape"),
        _pipeline("ask", "one", "two", "three"),
        _pipeline("tell", **told),
        _pipeline("ask_and_tell", "one", "two", output={"deliver": [hook, mail]}),
        _pipeline("long", LONG, **told),
        _pipeline("refused", "one", REFUSED, notifications={"on_failure": [hook]}),
    ]
    return {each.name: each for each in made}
