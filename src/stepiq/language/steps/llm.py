"""`llm`: a prompt for a model."""

from datetime import timedelta

from stepiq.language.drafts import Fields
from stepiq.language.specs import LlmSpec, StepType
from stepiq.language.steps.kinds import ReadSteps, StepKind

MAX_TOKENS = 1_000_000
MAX_FALLBACKS = 5
MAX_MODEL = 200
MAX_TEMPERATURE = 2
_MODEL = r"\S+"
MODEL_RULE = "a model id without spaces"


def _read(fields: Fields, _: ReadSteps) -> LlmSpec | None:
    fields.require("prompt", "prompt: Summarise {{input.topic}}")
    prompt = fields.template("prompt")
    system_prompt = fields.template("system_prompt")
    model = fields.text("model", minimum=1, maximum=MAX_MODEL, pattern=_MODEL, rule=MODEL_RULE)
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
            "A step with `output_schema` gives JSON. Remove `output_format`, or the schema.",
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


def _read_fallbacks(fields: Fields) -> tuple[str, ...]:
    items = fields.items("fallback_models", 1, MAX_FALLBACKS) or []
    inner = Fields(
        fields.draft,
        (*fields.path, "fallback_models"),
        {str(index): item for index, item in enumerate(items)},
        {str(index) for index in range(len(items))},
    )
    for index, item in enumerate(items):
        if item is None:
            inner.refuse(str(index), "wrong_type", "A model is a string; this is null.")
    found = [
        inner.text(str(index), minimum=1, maximum=MAX_MODEL, pattern=_MODEL, rule=MODEL_RULE)
        for index in range(len(items))
    ]
    return tuple(model for model in found if model is not None)


KIND = StepKind(
    type=StepType.LLM,
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
)
