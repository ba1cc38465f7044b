"""The shapes of step outputs, as JSON Schemas. They validate outputs that a caller provides for a step."""

from stepiq.core.json import Json
from stepiq.language.schemas.validation import Schema, compile_schema


def shape(document: dict[str, Json]) -> Schema:
    """A shape specific to a step type."""
    return compile_schema(document, max_patterns=0)


def record(**fields: dict[str, Json]) -> Schema:
    """An object with exactly these fields."""
    return shape(
        {
            "type": "object",
            "properties": dict[str, Json](fields),
            "required": list[Json](fields),
            "additionalProperties": False,
        }
    )


ANY = shape({})
TEXT = shape({"type": "string"})
LIST = shape({"type": "array"})
OBJECT = shape({"type": "object"})
STRING_FIELD: dict[str, Json] = {"type": "string"}
OPTIONAL_STRING_FIELD: dict[str, Json] = {"type": ["string", "null"]}
