"""The JSON Schema of `code` steps, for editors."""

from stepiq.language.code_source import CodeLanguage
from stepiq.language.json_schema.common import (
    input_value,
)
from stepiq.language.json_schema.nodes import Node, TypeSchema, choice, or_null, text, words
from stepiq.steps.code.spec import MAX_INPUTS, MAX_SOURCE

_LANGUAGES = {"python": "def main(input): …", "javascript": "function main(input) { … }"}

_SNIPPET: Node = {
    "id": "${1:compute}",
    "type": "code",
    "language": "javascript",
    "source": "function main(input) { return input }",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    fields: dict[str, Node] = {
        "language": choice(
            "Language", "The programming language of the source.", _LANGUAGES, CodeLanguage
        ),
        "source": text(
            "Source",
            "Code with a function `main(input)`. Its result is the step's output.",
            maximum=MAX_SOURCE,
        ),
        "input": {
            **words("Input", "Expressions by name. Default: `{input, vars, steps}`."),
            "type": "object",
            "additionalProperties": or_null(input_value("A field of the input of `main`.")),
            "maxProperties": MAX_INPUTS,
        },
    }
    description = "Runs your function in a sandbox."
    return TypeSchema(description, fields, ["language", "source"], snippet=_SNIPPET)
