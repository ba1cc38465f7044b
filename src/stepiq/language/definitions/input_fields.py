"""`input` of a document: the schema of the input, in either form."""

from collections.abc import Sequence
from functools import cache

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_number, is_object, kind_of
from stepiq.language.definitions.inputs import (
    LIST_KEYWORDS,
    MAP_KEYWORDS,
    SWITCH_KEYWORD,
    TEXT_KEYWORDS,
    InputSchema,
    is_long_form,
)
from stepiq.language.fields import description as fields
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.description import Field, described
from stepiq.language.fields.reader import MAX_PATTERNS, FieldReader, PathProblem
from stepiq.language.fields.schema import Node, nothing, reference, words
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import compile_schema
from stepiq.language.words import nearest


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


FIELD_TYPES = {
    "string": "Text.",
    "integer": "A whole number.",
    "number": "A number.",
    "boolean": "True or false.",
    "array": "A list.",
    "object": "An object.",
}
"""The types of the fields of the short form, each with a description."""
MAX_OPTIONS = 1_000
"""Most values in an `enum`."""
MAX_LENGTH = 1_000_000
MAX_PATTERN = 2_000

# `${1:word}` is a placeholder.
SNIPPET: Node = {
    "label": "field",
    "description": "A field of the input.",
    "body": {"${1:topic}": {"type": "${2:string}", "required": True}},
}
"""A field of `input.schema` that editors insert."""
# The types that each option is allowed for.
_NUMBERS = ("integer", "number")
TYPED_OPTIONS: dict[str, tuple[str, ...]] = {
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "min_length": ("string", "array"),
    "max_length": ("string", "array"),
    "pattern": ("string",),
}
_KIND = fields.choice("Type", "The type of the field.", FIELD_TYPES)
_REQUIRED = fields.boolean("Required", "Whether the input must contain the field.").shown(
    {"default": False}
)
_BOUND = fields.number("Bound", "", -1e300, 1e300)


def _read_bound(field: FieldReader, name: str) -> Json:
    """The number as written."""
    value = _BOUND.read(field, name)
    return None if value is None else field.raw(name)


def _check_pattern(field: FieldReader, name: str, pattern: str) -> str | None:
    return None if field.draft.compile(field.path, {name: pattern}) is None else pattern


@cache
def options(kind: str) -> dict[str, Field[Json]]:
    """What may be written in a field of the short form of a type; an option for other types is refused."""
    counted = "items" if kind == "array" else "characters"
    found: dict[str, Field[Json]] = {
        "type": Field({}, _KIND.read),
        "required": _REQUIRED,
        "description": fields.text(
            "Description", "A description of the field.", minimum=0, maximum=2_000
        ),
        "default": described(
            "Default",
            "The value if the input does not contain it.",
            {"type": kind},
            FieldReader.raw,
        ),
        "enum": described(
            "Values",
            "The allowed values.",
            {"type": "array", "items": {"type": kind}, "minItems": 1, "maxItems": MAX_OPTIONS},
            lambda field, name: field.items(name, 1, MAX_OPTIONS),
        ),
        "minimum": described(
            "Minimum", "The smallest allowed value.", {"type": "number"}, _read_bound
        ),
        "maximum": described(
            "Maximum", "The largest allowed value.", {"type": "number"}, _read_bound
        ),
        "min_length": fields.integer(
            "Minimum length", f"Minimum number of {counted}.", 0, MAX_LENGTH
        ),
        "max_length": fields.integer(
            "Maximum length", f"Maximum number of {counted}.", 0, MAX_LENGTH
        ),
        "pattern": fields.text(
            "Pattern",
            "Regular expression that must match a part of the text. `^` and `$` are the ends of the text.",
            maximum=MAX_PATTERN,
        ).then(_check_pattern),
    }

    def refuse(field: FieldReader, name: str) -> None:
        types = " or ".join(TYPED_OPTIONS[name])
        message = (
            f"`{name}` is only for fields of type {types}; this one is of type {kind}. Remove it."
        )
        field.refuse(name, "conflict", message)

    for name, types in TYPED_OPTIONS.items():
        if kind not in types:
            found[name] = Field(nothing(f"Only for {' and '.join(types)} fields."), refuse)
    return found


OPTIONS = tuple(options("string"))


def definitions() -> dict[str, Node]:
    """The definitions that `input` refers to."""
    typed = {
        f"{kind}_field": nodes.mapping(
            f"Field of type {kind}",
            says,
            {name: option.node for name, option in options(kind).items()},
        )
        for kind, says in FIELD_TYPES.items()
    }
    field: Node = {
        **words("Field", "A field of the input, such as `{type: string, required: true}`."),
        "type": "object",
        "properties": {"type": _KIND.node},
        "required": ["type"],
        **nodes.by_type({kind: reference(f"{kind}_field") for kind in FIELD_TYPES}),
    }
    return {"input_field": field, **typed, "json_schema": node()}


def input_field() -> Field[InputSchema]:
    """`input` of a document."""
    description = (
        "The fields of the input by name, as in `topic: {type: string, required: true}`, or a JSON Schema "
        "(2020-12) of type `object`."
    )
    is_object_schema: Node = {"properties": {"type": {"enum": ["object"], "doNotSuggest": True}}}
    schema: Node = {
        **words("Schema", description),
        "type": "object",
        "if": _long_form(),
        "then": {"allOf": [reference("json_schema"), is_object_schema]},
        "else": {"additionalProperties": reference("input_field")},
        "defaultSnippets": [SNIPPET],
    }
    return Field(nodes.mapping("Input", "The input of the pipeline.", {"schema": schema}), _read)


def _long_form() -> Node:
    """The rule of `inputs.is_long_form`."""
    ways = [_has(name, {"type": "string"}) for name in TEXT_KEYWORDS]
    ways += [_has(name, {"type": "array"}) for name in LIST_KEYWORDS]
    ways.append(_has(SWITCH_KEYWORD, {"type": "boolean"}))
    schemas: Node = {"type": "object", "additionalProperties": {"type": ["object", "boolean"]}}
    ways += [_has(name, schemas) for name in MAP_KEYWORDS]
    return {"type": "object", "anyOf": ways}


def _has(name: str, value: Node) -> Node:
    return {"properties": {name: {**value, "doNotSuggest": True}}, "required": [name]}


def _read(fields: FieldReader, field: str) -> InputSchema | None:
    data = fields.raw(field)
    if is_object(data) and data and "schema" not in data:
        name = next(iter(data))
        message = (
            f"Input fields belong under `schema`. Write `input: {{schema: {{{name[:60]}: …}}}}`."
        )
        fields.draft.problems.append(
            PathProblem((*fields.path, field, name), "unknown_field", message, at_key=True)
        )
        return None
    inner = fields.inner(field, ("schema",))
    schema = None if inner is None else inner.mapping("schema")
    if inner is None or not schema:
        return None
    return _read_long(inner, schema) if is_long_form(schema) else _read_short(inner, schema)


def _read_long(fields: FieldReader, document: dict[str, Json]) -> InputSchema:
    kind = document.get("type", "object")
    if kind != "object":
        fields.draft.refuse(
            (*fields.path, "schema", "type"),
            "invalid_schema",
            "The input is always an object, so `type` must be `object`. In the short form, each field is an "
            "object, as in `topic: {type: string}`.",
        )
        return InputSchema()
    # Payloads are objects even if the schema does not say so.
    compiled = fields.draft.compile((*fields.path, "schema"), document)
    return InputSchema() if compiled is None else InputSchema(compiled)


def _read_short(fields: FieldReader, schema: dict[str, Json]) -> InputSchema:
    path = (*fields.path, "schema")
    properties: dict[str, dict[str, Json]] = {}
    required: list[str] = []
    for name, options in schema.items():
        if fields.draft.is_full:
            break
        if not is_object(options):
            fields.draft.refuse(
                (*path, name),
                "wrong_type",
                f"`{name[:60]}` must be an object; it is {kind_of(options)}. {_field_example(name, options)}",
            )
            continue
        field = FieldReader(fields.draft, (*path, name), options, OPTIONS)
        properties[name] = _read_field(field, name)
        if field.has("required") and _REQUIRED.read(field, "required"):
            required.append(name)
    document: dict[str, Json] = {
        "type": "object",
        "properties": dict[str, Json](properties),
        "required": list[Json](required),
    }
    types = {name: str(field.get("type", "")) for name, field in properties.items()}
    try:
        # Its patterns are counted already, one by one.
        compiled = compile_schema(document, max_patterns=MAX_PATTERNS)
    except SchemaProblem as problem:
        fields.draft.refuse(path, "invalid_schema", problem.message)
        return InputSchema()
    return InputSchema(compiled, frozenset(schema), types)


def _field_example(name: str, options: Json) -> str:
    kind = nearest(options, FIELD_TYPES) if isinstance(options, str) else None
    return f"Write `{name[:60]}: {{type: {kind or 'string'}}}`."


def _read_field(field: FieldReader, name: str) -> dict[str, Json]:
    """The JSON Schema of one field. Only valid options are included, so that it always compiles."""
    kind = None
    if field.require("type", "type: string"):
        kind = _KIND.read(field, "type")
    known = options(kind or "string")
    if field.has("description"):
        known["description"].read(field, "description")
    if kind is None:
        return {}
    document: dict[str, Json] = {"type": kind}
    noun = "Items" if kind == "array" else "Length"
    for option in (*TYPED_OPTIONS, "enum"):
        if option == "enum":
            _refuse_empty_range(field, document)
        value = known[option].read(field, option) if field.has(option) else None
        if value is not None:
            document[f"{option[:3]}{noun}" if option.endswith("length") else option] = value
    _check_values(field, name, document)
    if field.has("default"):
        document["default"] = field.raw("default")
    return document


def _refuse_empty_range(field: FieldReader, document: dict[str, Json]) -> None:
    pairs = (("minimum", "maximum", "maximum"), ("minLength", "maxLength", "max_length"))
    for low, high, option in (*pairs, ("minItems", "maxItems", "max_length")):
        least, most = document.get(low), document.get(high)
        if is_number(least) and is_number(most) and least > most:
            field.refuse(
                option,
                "conflict",
                f"`{option}` must not be less than `{option.replace('max', 'min')}`.",
            )


def _check_values(field: FieldReader, name: str, document: dict[str, Json]) -> None:
    """Check that the default and the values of `enum` match the field's type."""
    if not field.has("default") and "enum" not in document:
        return
    compiled = compile_schema(document, max_patterns=1)
    if field.has("default"):
        for issue in compiled.issues(field.raw("default"), subject="`default`")[:1]:
            field.refuse("default", "conflict", issue.message)
    without_enum = {key: value for key, value in document.items() if key != "enum"}
    of_its_kind = compile_schema(without_enum, max_patterns=1)
    options = document.get("enum")
    for index, option in enumerate(options if is_array(options) else ()):
        for issue in of_its_kind.issues(option, subject=f"An option of `{name[:60]}`")[:1]:
            field.draft.refuse((*field.path, "enum", index), "conflict", issue.message)
