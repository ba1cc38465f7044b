"""The JSON Schema of `condition` steps, for editors."""

from stepiq.language.json_schema.common import condition, goto
from stepiq.language.json_schema.nodes import Node, TypeSchema, array, mapping
from stepiq.language.jumps import MAX_CASES
from stepiq.language.specs import NEXT

_SNIPPET: Node = {
    "id": "${1:route}",
    "type": "condition",
    "cases": [{"if": "${2:1 < 2}", "goto": "${3:end}"}],
    "else": "${4:next}",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    case = mapping(
        "Case",
        "A jump for an expression that is true.",
        {
            "if": condition("If", "If true, the run continues at `goto`."),
            "goto": goto("The next step."),
        },
        ["if", "goto"],
    )
    fields = {
        "cases": array("Cases", "The first case that is true is used.", case, 1, MAX_CASES),
        "else": goto("The next step if no case is true.", default=NEXT),
    }
    return TypeSchema("Chooses the next step.", fields, ["cases"], snippet=_SNIPPET)
