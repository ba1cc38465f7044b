"""`llm`: a prompt for a model."""

import re
from dataclasses import dataclass
from datetime import timedelta

from stepiq.core.json import Json
from stepiq.language.data import kind_of
from stepiq.language.reports import FieldReader
from stepiq.language.schemas import Schema
from stepiq.language.shapes import ANY, TEXT
from stepiq.language.specs import Step, StepSpec
from stepiq.language.step_types import ReadSteps, StepType
from stepiq.language.templates import Template, secret_names_of

MAX_TOKENS = 1_000_000
MAX_FALLBACKS = 5
MAX_MODEL = 200
MAX_TEMPERATURE = 2
_MODEL = r"\S+"
MODEL_RULE = "a model id without spaces"


@dataclass(frozen=True, slots=True)
class LlmSpec(StepSpec):
    """A call to a model."""

    external_action = "call a model"

    prompt: Template
    system_prompt: Template | None = None
    model: str | None = None
    """As written; None for the server's default model."""
    fallback_models: tuple[str, ...] = ()
    """Called in this order, each if the call to the one before failed."""
    temperature: float | None = None
    max_tokens: int | None = None
    output_schema: dict[str, Json] | None = None
    """As written, for the provider."""
    output_validator: Schema | None = None
    """Present with `output_schema`: validates the model's output."""

    @property
    def asked_models(self) -> tuple[str | None, ...]:
        return (self.model, *self.fallback_models)

    @property
    def makes_text(self) -> bool:
        return True

    @property
    def makes_json(self) -> bool:
        return self.output_schema is not None

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the prompts may send."""
        return secret_names_of(self.prompt, self.system_prompt)


def _read(fields: FieldReader, _: ReadSteps) -> LlmSpec | None:
    fields.require("prompt", "prompt: Summarize {{input.topic}}")
    prompt = fields.template("prompt")
    system_prompt = fields.template("system_prompt")
    model = fields.text("model", minimum=1, maximum=MAX_MODEL, pattern=_MODEL, rule=MODEL_RULE)
    if model is not None:
        fields.draft.models.append(((*fields.path, "model"), model))
    fallbacks = _read_fallbacks(fields)
    temperature = fields.number("temperature", 0, MAX_TEMPERATURE)
    max_tokens = fields.integer("max_tokens", 1, MAX_TOKENS)
    schema = fields.schema("output_schema")
    if fields.raw("output_schema") is not None and fields.raw("output_format") in (
        "text",
        "markdown",
    ):
        fields.refuse(
            "output_format",
            "conflict",
            "With `output_schema`, the output is JSON. Remove `output_format` or `output_schema`.",
        )
    if prompt is None:
        return None
    return LlmSpec(
        prompt=prompt,
        system_prompt=system_prompt,
        model=model,
        fallback_models=fallbacks,
        temperature=temperature,
        max_tokens=max_tokens,
        output_schema=None if schema is None else schema.document,
        output_validator=schema,
    )


def _read_fallbacks(fields: FieldReader) -> tuple[str, ...]:
    found: list[str] = []
    for index, model in enumerate(fields.items("fallback_models", 1, MAX_FALLBACKS) or ()):
        path = (*fields.path, "fallback_models", index)
        if not isinstance(model, str):
            message = f"A model id must be a string; it is {kind_of(model)}."
            fields.draft.refuse(path, "wrong_type", message)
        elif len(model) > MAX_MODEL or not re.fullmatch(_MODEL, model):
            message = f"A model id must have 1 to {MAX_MODEL} characters and no spaces."
            fields.draft.refuse(path, "invalid_format", message)
        else:
            fields.draft.models.append((path, model))
            found.append(model)
    return tuple(found)


def _output(step: Step) -> Schema:
    match step.spec:
        case LlmSpec(output_validator=Schema() as schema):
            return schema
        case _:
            return TEXT if step.gives_text else ANY


STEP_TYPE = StepType(
    fields=frozenset(
        {
            "prompt",
            "system_prompt",
            "model",
            "fallback_models",
            "temperature",
            "max_tokens",
            "output_schema",
        }
    ),
    later=frozenset({"agent"}),
    read=_read,
    timeout=timedelta(seconds=120),
    max_attempts=3,
    output=_output,
)
