"""The schema of `input.schema` in both forms, and of the common keywords of JSON Schema."""

from collections.abc import Sequence

from stepiq.core.json import Json
from stepiq.language.input_fields import (
    FIELD_TYPES,
    MAX_DESCRIPTION,
    MAX_LENGTH,
    MAX_OPTIONS,
    MAX_PATTERN,
    OPTIONS,
    TYPED_OPTIONS,
)
from stepiq.language.inputs import LIST_KEYWORDS, MAP_KEYWORDS, SWITCH_KEYWORD, TEXT_KEYWORDS
from stepiq.language.json_schema import snippets
from stepiq.language.json_schema.nodes import (
    Node,
    boolean,
    by_type,
    choice,
    integer,
    mapping,
    nothing,
    reference,
    text,
    words,
)

_TYPES = {
    "string": "Text.",
    "integer": "A whole number.",
    "number": "A number.",
    "boolean": "True or false.",
    "array": "A list.",
    "object": "An object.",
}
_COUNTED = {"string": "characters", "array": "items"}


def definitions() -> dict[str, Node]:
    """The definitions that `input` and `output_schema` refer to."""
    return {
        "input_field": _input_field(),
        **{_field_name(kind): _field(kind) for kind in FIELD_TYPES},
        "json_schema": _json_schema(),
    }


def input_node() -> Node:
    """`input` of a document."""
    description = (
        "The fields of the input by name, as in `topic: {type: string, required: true}`, or a JSON Schema "
        "(2020-12) of type `object`."
    )
    schema: Node = {
        **words("Schema", description),
        "type": "object",
        "if": _is_long_form(),
        "then": {
            "allOf": [
                reference("json_schema"),
                {"properties": {"type": {"enum": ["object"], "doNotSuggest": True}}},
            ]
        },
        "else": {"additionalProperties": reference("input_field")},
        "defaultSnippets": snippets.FIELDS,
    }
    return mapping("Input", "The input of the pipeline.", {"schema": schema})


def _is_long_form() -> Node:
    """The rule of `inputs.is_long_form`."""
    ways = [_has(name, {"type": "string"}) for name in TEXT_KEYWORDS]
    ways += [_has(name, {"type": "array"}) for name in LIST_KEYWORDS]
    ways.append(_has(SWITCH_KEYWORD, {"type": "boolean"}))
    schemas: Node = {"type": "object", "additionalProperties": {"type": ["object", "boolean"]}}
    ways += [_has(name, schemas) for name in MAP_KEYWORDS]
    return {"type": "object", "anyOf": ways}


def _has(name: str, value: Node) -> Node:
    return {"properties": {name: {**value, "doNotSuggest": True}}, "required": [name]}


def _input_field() -> Node:
    kind = choice("Type", "The type of the field.", _TYPES, FIELD_TYPES)
    return {
        **words("Field", "A field of the input, such as `{type: string, required: true}`."),
        "type": "object",
        "properties": {"type": kind},
        "required": ["type"],
        **by_type({kind: reference(_field_name(kind)) for kind in FIELD_TYPES}),
    }


def _field_name(kind: str) -> str:
    return f"{kind}_field"


def _field(kind: str) -> Node:
    """A field of one type, with the options for this type."""
    counted = _COUNTED.get(kind, "")
    known: dict[str, Node] = {
        "type": {},
        "required": boolean("Required", "Whether the input must contain the field.", default=False),
        "description": text(
            "Description", "A description of the field.", minimum=0, maximum=MAX_DESCRIPTION
        ),
        "default": {
            **words("Default", "The value if the input does not contain it."),
            "type": kind,
        },
        "enum": {
            **words("Values", "The allowed values."),
            "type": "array",
            "items": {"type": kind},
            "minItems": 1,
            "maxItems": MAX_OPTIONS,
        },
        "minimum": {**words("Minimum", "The smallest allowed value."), "type": "number"},
        "maximum": {**words("Maximum", "The largest allowed value."), "type": "number"},
        "min_length": integer("Minimum length", f"Minimum number of {counted}.", 0, MAX_LENGTH),
        "max_length": integer("Maximum length", f"Maximum number of {counted}.", 0, MAX_LENGTH),
        "pattern": text(
            "Pattern",
            "Regular expression that must match a part of the text. `^` and `$` are the ends of the text.",
            maximum=MAX_PATTERN,
        ),
    }
    fields = {name: known[name] for name in known if name in OPTIONS}
    for option, types in TYPED_OPTIONS.items():
        if kind not in types:
            fields[option] = nothing(f"Only for {' and '.join(types)} fields.")
    return mapping(f"Field of type {kind}", _TYPES[kind], fields)


def _json_schema() -> Node:
    """The common keywords of JSON Schema; others are allowed too."""
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
