"""`llm`: a prompt for a model."""

import re
from dataclasses import dataclass
from datetime import timedelta

from stepiq.core.json import Json
from stepiq.language.data import kind_of
from stepiq.language.definitions.step import Step, StepSpec
from stepiq.language.definitions.step_types import INSTEAD_OF_AGENT, StepType
from stepiq.language.fields import description as fields
from stepiq.language.fields.description import Field
from stepiq.language.fields.reader import FieldReader
from stepiq.language.places import Path
from stepiq.language.schemas.validation import ANY, TEXT, Schema
from stepiq.language.templates import Template, secret_names_of

MAX_MODEL = 200
_MODEL = r"\S+"
_RULE = "a model id without spaces"


def _model(description: str) -> Field[str]:
    # White space differs between engines; the reader checks the rest.
    shown = fields.matching(r"[^ \t\r\n]+", _RULE)
    model = fields.text("Model", description, maximum=MAX_MODEL, pattern=_MODEL, rule=_RULE)
    return model.shown(shown).checked(_note)


def _note(reader: FieldReader, name: str, model: str) -> None:
    reader.draft.models.append(((*reader.path, name), model))


def _read_fallback(reader: FieldReader, path: Path, model: Json) -> str | None:
    if not isinstance(model, str):
        message = f"A model id must be a string; it is {kind_of(model)}."
        reader.draft.refuse(path, "wrong_type", message)
        return None
    if len(model) > MAX_MODEL or not re.fullmatch(_MODEL, model):
        message = f"A model id must have 1 to {MAX_MODEL} characters and no spaces."
        reader.draft.refuse(path, "invalid_format", message)
        return None
    reader.draft.models.append((path, model))
    return model


@dataclass(frozen=True, slots=True)
class LlmSpec(StepSpec):
    """A call to a model."""

    external_action = "call a model"

    prompt: Template = fields.template("Prompt", "The question or task for the model.").required(
        "prompt: Summarize {{input.topic}}"
    )
    system_prompt: Template | None = fields.template(
        "System prompt", "The role of the model, and how it must answer."
    ).optional()
    model: str | None = _model(
        "A model such as `gpt-4o-mini` or `ollama/llama3`. Default: the server's default model."
    ).optional()
    """As written; None for the server's default model."""
    fallback_models: tuple[str, ...] = fields.array(
        "Fallback models",
        "Models to use, in this order, if the model before fails.",
        _model("The id of a model.").node,
        1,
        5,
        _read_fallback,
    ).default(())
    """Called in this order, each if the call to the one before failed."""
    temperature: float | None = fields.number(
        "Temperature",
        "How much the answers vary. With 0, the model chooses the most likely words.",
        0,
        2,
    ).optional()
    max_tokens: int | None = fields.integer(
        "Most tokens", "Maximum length of the answer, in tokens.", 1, 1_000_000
    ).optional()
    output_validator: Schema | None = fields.json_schema(
        "Output schema", "JSON Schema for the answer. The step's output is then data."
    ).optional(name="output_schema")
    """Validates the model's output."""

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        if not fields.has("model"):
            fields.draft.models.append((fields.path, None))
        if fields.has("output_schema") and fields.raw("output_format") in ("text", "markdown"):
            message = "With `output_schema`, the output is JSON. Remove `output_format` or `output_schema`."
            fields.refuse("output_format", "conflict", message)

    @property
    def output_schema(self) -> dict[str, Json] | None:
        """As written, for the provider."""
        return None if self.output_validator is None else self.output_validator.document

    @property
    def asked_models(self) -> tuple[str | None, ...]:
        return (self.model, *self.fallback_models)

    @property
    def makes_text(self) -> bool:
        return True

    @property
    def makes_json(self) -> bool:
        return self.output_validator is not None

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the prompts may send."""
        return secret_names_of(self.prompt, self.system_prompt)


def _output(step: Step) -> Schema:
    match step.spec:
        case LlmSpec(output_validator=Schema() as schema):
            return schema
        case _:
            return TEXT if step.gives_text else ANY


STEP_TYPE = StepType(
    LlmSpec,
    "Calls a model.",
    snippet={"id": "${1:draft}", "prompt": "${2:Write two sentences about moss.}"},
    later={
        "agent": INSTEAD_OF_AGENT,
        "tools": INSTEAD_OF_AGENT,
        "files": "Extract the text of the file first, and pass it as a field of the input.",
    },
    timeout=timedelta(seconds=120),
    max_attempts=3,
    output=_output,
)
