"""The JSON Schema of `transform` steps, for editors."""

from stepiq.core.json import Json
from stepiq.language import extracting
from stepiq.language.json_schema.common import LONGEST_EXPRESSION, input_value
from stepiq.language.json_schema.nodes import (
    Node,
    TypeSchema,
    boolean,
    mapping,
    reference,
    template,
    text,
    words,
)
from stepiq.language.patterns import (
    MAX_PATTERN_LENGTH,
    MAX_REPLACEMENT_LENGTH,
)
from stepiq.steps.transform.spec import MAX_GROUP, MAX_GROUP_NAME, WAYS

_SNIPPET: Node = {
    "id": "${1:text}",
    "type": "transform",
    "template": "${2:Hello}",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    regex: dict[str, Node] = {
        "pattern": text(
            "Pattern",
            "Regular expression, without look-around and back-references.",
            maximum=MAX_PATTERN_LENGTH,
        ),
        "group": {
            **words(
                "Group",
                "Number or name of a group in the first match. Default: 0, the whole match.",
            ),
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": MAX_GROUP,
            "minLength": 1,
            "maxLength": MAX_GROUP_NAME,
        },
        "all": boolean("All", "If true, all matches.", default=False),
        "replace": text(
            "Replace",
            r"Text that replaces each match. `\1` is the first group.",
            minimum=0,
            maximum=MAX_REPLACEMENT_LENGTH,
        ),
    }
    inner = reference("set_value")
    fields = {
        "template": template("Template", "The text of the output."),
        "prompt": template("Template", "Another name for `template`."),
        "extract": text(
            "Extract",
            "JSONPath (RFC 9535), such as `$.items[0].name`. Gives a list of all matches.",
            maximum=extracting.MAX_LENGTH,
        ),
        "first": boolean(
            "First",
            "With `extract`: if true, the first match, or null if there is none.",
            default=False,
        ),
        "regex": mapping("Regex", "Matches of a pattern in text.", regex, ["pattern"]),
        "set": {
            **words("Set", "An object or a list. Its strings are expressions."),
            "type": ["object", "array"],
            "additionalProperties": inner,
            "items": inner,
        },
        "input": input_value(
            "With `extract` and `regex`: the value to search. Default: the output of the step before."
        ),
    }
    ways: list[Json] = [{"required": [way]} for way in WAYS]
    description = (
        "Makes new data with a template, a JSONPath, a pattern or expressions, without a model."
    )
    return TypeSchema(
        description,
        fields,
        rest={"anyOf": ways},
        definitions={"set_value": _set_value()},
        snippet=_SNIPPET,
    )


def _set_value() -> Node:
    """A value inside `set`: its texts are expressions."""
    inner = reference("set_value")
    return {
        **words("Value", "A text is an expression. Other values are used as they are."),
        "minLength": 1,
        "maxLength": LONGEST_EXPRESSION,
        "additionalProperties": inner,
        "items": inner,
    }
