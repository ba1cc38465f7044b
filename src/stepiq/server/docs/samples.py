"""Examples made from schemas, for what has none of its own."""

from typing import Any, cast

Schema = dict[str, Any]

_FORMATS = {
    "uuid": "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e",
    "date-time": "2026-02-27T10:00:04.500Z",
    "email": "you@example.com",
    "uri": "https://example.com/hook",
}
_DEPTH = 6


def sample(schema: Schema, shapes: dict[str, Schema], depth: int = 0) -> Any:
    """A value that fits a schema, as far as its types tell.

    Args:
        schema: from an OpenAPI document.
        shapes: what its references name.
        depth: how deep this is already; recursive shapes end somewhere.
    """
    schema = resolve(schema, shapes)
    for name in ("example", "const", "default"):
        if schema.get(name) is not None:
            return schema[name]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return sample(schema[name][0], shapes, depth)
    return _by_type(schema, shapes, depth)


def resolve(schema: Schema, shapes: dict[str, Schema]) -> Schema:
    """The schema that a reference leads to, or the schema itself."""
    reference = schema.get("$ref")
    return shapes.get(str(reference).rpartition("/")[2], {}) if reference else schema


def _by_type(schema: Schema, shapes: dict[str, Schema], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            properties = cast(dict[str, Schema], schema.get("properties", {}))
            if depth > _DEPTH:
                return {}
            return {name: sample(each, shapes, depth + 1) for name, each in properties.items()}
        case "array":
            return [] if depth > _DEPTH else [sample(schema.get("items", {}), shapes, depth + 1)]
        case "string":
            return _FORMATS.get(str(schema.get("format")), "text")
        case "integer":
            return schema.get("minimum", 1)
        case "number":
            return schema.get("minimum", 1.5)
        case "boolean":
            return True
        case _:
            return None
