"""The JSON Schema of `wait` steps, for editors."""

from stepiq.core.json import Json
from stepiq.language.json_schema.nodes import Node, TypeSchema, number, template
from stepiq.steps.wait.spec import MAX_WAIT

_SNIPPET: Node = {
    "id": "${1:pause}",
    "type": "wait",
    "seconds": "^${2:60}",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    fields = {
        "seconds": number(
            "Seconds", "How long to wait. At most 30 days.", 0, MAX_WAIT.total_seconds()
        ),
        "until": template(
            "Until",
            "An ISO 8601 time with a time zone, such as `2026-03-01T09:00:00+01:00`.",
        ),
    }
    ways: list[Json] = [{"required": [name]} for name in fields]
    return TypeSchema(
        "Waits for a number of seconds, or until a time.",
        fields,
        rest={"anyOf": ways},
        snippet=_SNIPPET,
    )
