"""`input.schema` in both forms, and as much of JSON Schema as helps to write one."""

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
    "object": "A mapping.",
}
_COUNTED = {"string": "characters", "array": "items"}


def definitions() -> dict[str, Node]:
    """The parts that `input` and `output_schema` refer to."""
    return {
        "input_field": _input_field(),
        **{_field_name(kind): _field(kind) for kind in FIELD_TYPES},
        "json_schema": _json_schema(),
    }


def input_node() -> Node:
    """`input` of a document."""
    description = (
        "The fields of the input by name, as in `topic: {type: string, required: true}`; or a JSON Schema "
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
    return mapping("Input", "What the pipeline takes.", {"schema": schema})


def _is_long_form() -> Node:
    """As `inputs.is_long_form` has it."""
    ways = [_has(name, {"type": "string"}) for name in TEXT_KEYWORDS]
    ways += [_has(name, {"type": "array"}) for name in LIST_KEYWORDS]
    ways.append(_has(SWITCH_KEYWORD, {"type": "boolean"}))
    schemas: Node = {"type": "object", "additionalProperties": {"type": ["object", "boolean"]}}
    ways += [_has(name, schemas) for name in MAP_KEYWORDS]
    return {"type": "object", "anyOf": ways}


def _has(name: str, value: Node) -> Node:
    return {"properties": {name: {**value, "doNotSuggest": True}}, "required": [name]}


def _input_field() -> Node:
    kind = choice("Type", "What the field is.", _TYPES, FIELD_TYPES)
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
    """A field of one type, with the options that go with it."""
    counted = _COUNTED.get(kind, "")
    known: dict[str, Node] = {
        "type": {},
        "required": boolean("Required", "Whether it must be given.", default=False),
        "description": text("Description", "For people.", minimum=0, maximum=MAX_DESCRIPTION),
        "default": {**words("Default", "The value when it is not given."), "type": kind},
        "enum": {
            **words("Values", "The values it may have."),
            "type": "array",
            "items": {"type": kind},
            "minItems": 1,
            "maxItems": MAX_OPTIONS,
        },
        "minimum": {**words("Minimum", "The least it may be."), "type": "number"},
        "maximum": {**words("Maximum", "The most it may be."), "type": "number"},
        "min_length": integer("Minimum length", f"Fewest {counted}.", 0, MAX_LENGTH),
        "max_length": integer("Maximum length", f"Most {counted}.", 0, MAX_LENGTH),
        "pattern": text(
            "Pattern",
            "Regular expression that it must match somewhere; `^` and `$` are its ends.",
            maximum=MAX_PATTERN,
        ),
    }
    fields = {name: known[name] for name in known if name in OPTIONS}
    for option, types in TYPED_OPTIONS.items():
        if kind not in types:
            fields[option] = nothing(f"Goes with {' and '.join(types)}.")
    return mapping(f"Field of type {kind}", _TYPES[kind], fields)


def _json_schema() -> Node:
    """A JSON Schema as far as its common keywords go; others may stand there too."""
    inner = reference("json_schema")
    schemas: Node = {"type": "object", "additionalProperties": inner}
    several: Node = {"type": "array", "items": inner, "minItems": 1}
    count: Node = {"type": "integer", "minimum": 0}
    types: Sequence[Json] = ["string", "integer", "number", "boolean", "array", "object", "null"]
    keywords: dict[str, tuple[str, Node]] = {
        "type": ("What the value is: one type or a list of them.", {"anyOf": [{"enum": types}, {"type": "array", "items": {"enum": types}, "minItems": 1, "uniqueItems": True}]}),
        "title": ("A name for people.", {"type": "string"}),
        "description": ("For people, and for the model that is asked.", {"type": "string"}),
        "properties": ("The fields of an object, each with its schema.", schemas),
        "required": ("Names of the fields that must be there.", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        "additionalProperties": ("Whether other fields may be there, or what they are.", inner),
        "items": ("What each item of a list is.", inner),
        "enum": ("The values it may have.", {"type": "array"}),
        "const": ("The one value it may have.", {}),
        "default": ("The value when it is not given.", {}),
        "minItems": ("Fewest items of a list.", count),
        "maxItems": ("Most items of a list.", count),
        "uniqueItems": ("Whether no item may come twice.", {"type": "boolean"}),
        "minLength": ("Fewest characters of a text.", count),
        "maxLength": ("Most characters of a text.", count),
        "pattern": ("Regular expression that a text must match somewhere.", {"type": "string"}),
        "format": ("Such as `date` or `email`; it is not checked.", {"type": "string"}),
        "minimum": ("The least a number may be.", {"type": "number"}),
        "maximum": ("The most a number may be.", {"type": "number"}),
        "exclusiveMinimum": ("What a number must be greater than.", {"type": "number"}),
        "exclusiveMaximum": ("What a number must be less than.", {"type": "number"}),
        "multipleOf": ("What a number must be a multiple of.", {"type": "number", "exclusiveMinimum": 0}),
        "anyOf": ("Schemas of which one must fit.", several),
        "oneOf": ("Schemas of which exactly one must fit.", several),
        "allOf": ("Schemas that must all fit.", several),
        "not": ("A schema that must not fit.", inner),
        "$ref": ("Another part of this schema, such as `#/$defs/address`.", {"type": "string"}),
        "$defs": ("Schemas to refer to, by name.", schemas),
    }  # fmt: skip
    properties = {name: {**words(name, says), **node} for name, (says, node) in keywords.items()}
    return {
        **words("JSON Schema", "A JSON Schema (2020-12); nothing is fetched for it."),
        "type": ["object", "boolean"],
        "properties": properties,
    }
