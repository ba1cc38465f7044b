"""The JSON Schema of `llm` steps, for editors."""

from stepiq.language.json_schema.nodes import (
    Node,
    TypeSchema,
    array,
    if_object,
    integer,
    number,
    reference,
    template,
    text,
)
from stepiq.steps.llm.spec import (
    MAX_FALLBACKS,
    MAX_MODEL,
    MAX_TEMPERATURE,
    MAX_TOKENS,
    MODEL_RULE,
)

# White space differs between engines; the reader checks the rest.
_MODEL = r"[^ \t\r\n]+"

_SNIPPET: Node = {
    "id": "${1:draft}",
    "prompt": "${2:Write two sentences about moss.}",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    fields = {
        "prompt": template("Prompt", "The question or task for the model."),
        "system_prompt": template(
            "System prompt", "The role of the model, and how it must answer."
        ),
        "model": _model(
            "Model",
            "A model such as `gpt-4o-mini` or `ollama/llama3`. Default: the server's default model.",
        ),
        "fallback_models": array(
            "Fallback models",
            "Models to use, in this order, if the model before fails.",
            _model("Model", "The id of a model."),
            1,
            MAX_FALLBACKS,
        ),
        "temperature": number(
            "Temperature",
            "How much the answers vary. With 0, the model chooses the most likely words.",
            0,
            MAX_TEMPERATURE,
        ),
        "max_tokens": integer(
            "Most tokens", "Maximum length of the answer, in tokens.", 1, MAX_TOKENS
        ),
        "output_schema": if_object(
            "Output schema",
            "JSON Schema for the answer. The step's output is then data.",
            reference("json_schema"),
        ),
    }
    return TypeSchema("Calls a model.", fields, ["prompt"], snippet=_SNIPPET)


def _model(title: str, description: str) -> Node:
    return text(title, description, maximum=MAX_MODEL, pattern=_MODEL, rule=MODEL_RULE)
