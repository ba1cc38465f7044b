"""Adds an example to every body, response and parameter of a document: a written one, or one from the schema."""

from copy import deepcopy
from typing import Any, cast

from stepiq.server.docs import examples

Schema = dict[str, Any]

_FORMATS = {
    "uuid": "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e",
    "date-time": "2026-02-27T10:00:04.500Z",
    "date": "2026-02-27",
    "email": "you@example.com",
    "uri": "https://example.com/hook",
}
_DEPTH = 6


def fill(document: dict[str, Any]) -> None:
    """Add the examples to a document."""
    shapes = _with_examples(document["components"]["schemas"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            for parameter in operation.get("parameters", ()):
                _fill_parameter(parameter, shapes)
            for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
                by_hand = examples.REQUESTS.get(name, {}).get(media_type)
                if by_hand is None:
                    _fill_content(body, shapes)
                else:
                    body["examples"] = dict(by_hand)
            for status, response in operation["responses"].items():
                _fill_response(response, f"{status} {name}", shapes)


def _fill_parameter(parameter: dict[str, Any], shapes: dict[str, Schema]) -> None:
    if parameter["name"] in examples.PARAMETERS:
        parameter["example"] = examples.PARAMETERS[parameter["name"]]
    elif parameter["in"] == "path":
        parameter["example"] = sample(parameter["schema"], shapes)


def _fill_response(response: dict[str, Any], name: str, shapes: dict[str, Schema]) -> None:
    for media_type, body in response.get("content", {}).items():
        if media_type == "application/yaml":
            # The example of the requests, so that the document contains it once.
            body["examples"] = deepcopy(examples.REQUESTS["POST /api/pipelines"][media_type])
        elif name in examples.RESPONSES:
            body["examples"] = {_name(body["schema"]): {"value": examples.RESPONSES[name]}}
        else:
            _fill_content(body, shapes)


def _fill_content(body: dict[str, Any], shapes: dict[str, Schema]) -> None:
    if "examples" not in body:
        schema = body["schema"]
        body["examples"] = {_name(schema): {"value": sample(schema, shapes)}}


def _name(schema: Schema) -> str:
    """The name of an example: that of its shape."""
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each:
            return str(each["$ref"]).rpartition("/")[2]
    return "example"


def _with_examples(shapes: dict[str, Schema]) -> dict[str, Schema]:
    # A copy, because an example of each shape in the document itself would double its size.
    return {
        name: {**schema, "examples": [examples.SHAPES[name]]} if name in examples.SHAPES else schema
        for name, schema in shapes.items()
    }


def sample(schema: Schema, shapes: dict[str, Schema], depth: int = 0) -> Any:
    """A value that fits the types of a schema.

    Args:
        schema: from an OpenAPI document.
        shapes: the schemas that its references name.
        depth: current depth. Recursive schemas end below a maximum depth.
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
    """The schema that a reference names, or the schema itself."""
    reference = schema.get("$ref")
    return shapes.get(str(reference).rpartition("/")[2], {}) if reference else schema


def _by_type(schema: Schema, shapes: dict[str, Schema], depth: int) -> Any:
    kind = cast(str | list[str] | None, schema.get("type"))
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = cast(dict[str, Schema], schema.get("properties", {}))
            if depth > _DEPTH:
                return {}
            return {
                name: None if name == "next_cursor" else sample(each, shapes, depth + 1)
                for name, each in properties.items()
            }
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
