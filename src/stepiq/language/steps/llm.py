"""`llm`: a prompt for a model."""

from datetime import timedelta

from stepiq.language.definition import LlmSpec, StepType
from stepiq.language.drafts import Fields
from stepiq.language.steps.kinds import StepKind

MAX_TOKENS = 1_000_000


def _read(fields: Fields) -> LlmSpec | None:
    fields.require("prompt", "prompt: Summarise {{input.topic}}")
    prompt = fields.template("prompt")
    system_prompt = fields.template("system_prompt")
    model = fields.text(
        "model", minimum=1, maximum=200, pattern=r"\S+", rule="a model id without spaces"
    )
    temperature = fields.number("temperature", 0, 2)
    max_tokens = fields.integer("max_tokens", 1, MAX_TOKENS)
    schema = fields.schema("output_schema")
    if fields.raw("output_schema") is not None and fields.raw("output_format") in (
        "text",
        "markdown",
    ):
        fields.refuse(
            "output_format",
            "conflict",
            "A step with `output_schema` gives JSON. Remove `output_format`, or the schema.",
        )
    if prompt is None:
        return None
    return LlmSpec(
        prompt=prompt,
        system_prompt=system_prompt,
        model=model,
        temperature=temperature,
        max_tokens=max_tokens,
        output_schema=None if schema is None else schema.document,
        output_validator=schema,
    )


KIND = StepKind(
    type=StepType.LLM,
    fields=frozenset(
        {"prompt", "system_prompt", "model", "temperature", "max_tokens", "output_schema"}
    ),
    later=frozenset({"fallback_models", "agent"}),
    read=_read,
    timeout=timedelta(seconds=120),
    max_attempts=3,
)
