"""The common keywords of JSON Schema, for the long form of `input.schema` and for `output_schema`."""

from collections.abc import Sequence

from stepiq.core.json import Json
from stepiq.language.fields.schema import Node, reference, words


def node() -> Node:
    """A JSON Schema. Other keywords are allowed too."""
    inner = reference("json_schema")
    schemas: Node = {"type": "object", "additionalProperties": inner}
    several: Node = {"type": "array", "items": inner, "minItems": 1}
    count: Node = {"type": "integer", "minimum": 0}
    types: Sequence[Json] = ["string", "integer", "number", "boolean", "array", "object", "null"]
    keywords: dict[str, tuple[str, Node]] = {
        "type": ("The type of the value, or a list of types.", {"anyOf": [{"enum": types}, {"type": "array", "items": {"enum": types}, "minItems": 1, "uniqueItems": True}]}),
        "title": ("A name to show.", {"type": "string"}),
        "description": ("A description for people and for the model.", {"type": "string"}),
        "properties": ("The fields of an object, each with its schema.", schemas),
        "required": ("Names of the required fields.", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        "additionalProperties": ("Whether other fields are allowed, or a schema for them.", inner),
        "items": ("The schema of each item of a list.", inner),
        "enum": ("The allowed values.", {"type": "array"}),
        "const": ("The only allowed value.", {}),
        "default": ("The value if the input does not contain it.", {}),
        "minItems": ("Minimum number of items of a list.", count),
        "maxItems": ("Maximum number of items of a list.", count),
        "uniqueItems": ("Whether all items must be different.", {"type": "boolean"}),
        "minLength": ("Minimum number of characters of a string.", count),
        "maxLength": ("Maximum number of characters of a string.", count),
        "pattern": ("Regular expression that must match a part of the text.", {"type": "string"}),
        "format": ("Format such as `date` or `email`. It is not checked.", {"type": "string"}),
        "minimum": ("The smallest allowed number.", {"type": "number"}),
        "maximum": ("The largest allowed number.", {"type": "number"}),
        "exclusiveMinimum": ("The number must be greater than this.", {"type": "number"}),
        "exclusiveMaximum": ("The number must be less than this.", {"type": "number"}),
        "multipleOf": ("The number must be a multiple of this.", {"type": "number", "exclusiveMinimum": 0}),
        "anyOf": ("The value must match at least one of these schemas.", several),
        "oneOf": ("The value must match exactly one of these schemas.", several),
        "allOf": ("The value must match all of these schemas.", several),
        "not": ("The value must not match this schema.", inner),
        "$ref": ("Another part of this schema, such as `#/$defs/address`.", {"type": "string"}),
        "$defs": ("Schemas by name, for `$ref`.", schemas),
    }  # fmt: skip
    properties = {name: {**words(name, says), **node} for name, (says, node) in keywords.items()}
    return {
        **words("JSON Schema", "A JSON Schema (2020-12). References must be inside it."),
        "type": ["object", "boolean"],
        "properties": properties,
    }
