"""Reads `input.schema`, in either form."""

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_number, is_object, kind_of
from stepiq.language.inputs import InputSchema, is_long_form
from stepiq.language.reports import MAX_PATTERNS, FieldReader, PathProblem
from stepiq.language.schema_cost import SchemaProblem
from stepiq.language.schemas import compile_schema
from stepiq.language.words import nearest

FIELD_TYPES = ("string", "integer", "number", "boolean", "array", "object")
MAX_DESCRIPTION = 2_000
MAX_OPTIONS = 1_000
"""Most values in an `enum`."""
MAX_LENGTH = 1_000_000
_MAX_NUMBER = 1e300
MAX_PATTERN = 2_000

# The types that each option is allowed for.
_NUMBERS = ("integer", "number")
TYPED_OPTIONS: dict[str, tuple[str, ...]] = {
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "min_length": ("string", "array"),
    "max_length": ("string", "array"),
    "pattern": ("string",),
}
OPTIONS = ("type", "required", "description", "default", "enum", *TYPED_OPTIONS)
INPUT_FIELDS = ("schema",)


def read_input(fields: FieldReader) -> InputSchema:
    """Read the document's `input`."""
    data = fields.mapping("input")
    if data is None:
        return InputSchema()
    if data and "schema" not in data:
        name = next(iter(data))
        message = (
            f"Input fields belong under `schema`. Write `input: {{schema: {{{name[:60]}: …}}}}`."
        )
        fields.draft.problems.append(
            PathProblem((*fields.path, "input", name), "unknown_field", message, at_key=True)
        )
        return InputSchema()
    inner = FieldReader(fields.draft, (*fields.path, "input"), data, INPUT_FIELDS)
    schema = inner.mapping("schema")
    if not schema:
        return InputSchema()
    if is_long_form(schema):
        return _read_long(inner, schema)
    return _read_short(inner, schema)


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
    compiled = fields.schema("schema")
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
        if field.boolean("required"):
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
        kind = field.choice("type", FIELD_TYPES)
    field.text("description", maximum=MAX_DESCRIPTION)
    if kind is None:
        return {}
    document: dict[str, Json] = {"type": kind}
    for option, types in TYPED_OPTIONS.items():
        if field.has(option) and kind not in types:
            field.refuse(
                option,
                "conflict",
                f"`{option}` is only for fields of type {' or '.join(types)}; this one is of type {kind}. Remove it.",
            )
        elif field.has(option):
            document |= _read_option(field, option, kind)
    _refuse_empty_range(field, document)
    options = field.items("enum", 1, MAX_OPTIONS)
    if options is not None:
        document["enum"] = options
    _check_values(field, name, document)
    if field.has("default"):
        document["default"] = field.raw("default")
    return document


def _read_option(field: FieldReader, option: str, kind: str) -> dict[str, Json]:
    value: Json
    if option == "pattern":
        keyword, value = option, _read_pattern(field)
    elif option in ("minimum", "maximum"):
        keyword, value = option, field.number(option, -_MAX_NUMBER, _MAX_NUMBER)
        if value is not None:
            value = field.raw(option)
    else:
        noun = "Items" if kind == "array" else "Length"
        keyword, value = option[:3] + noun, field.integer(option, 0, MAX_LENGTH)
    return {} if value is None else {keyword: value}


def _read_pattern(field: FieldReader) -> str | None:
    pattern = field.text("pattern", minimum=1, maximum=MAX_PATTERN)
    if pattern is None:
        return None
    return None if field.draft.compile(field.path, {"pattern": pattern}) is None else pattern


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
    if field.has("default") and (issues := compiled.issues(field.raw("default"))):
        field.refuse("default", "conflict", issues[0].message.replace("The value", "`default`", 1))
    without_enum = {key: value for key, value in document.items() if key != "enum"}
    of_its_kind = compile_schema(without_enum, max_patterns=1)
    options = document.get("enum")
    for index, option in enumerate(options if is_array(options) else ()):
        if issues := of_its_kind.issues(option):
            message = issues[0].message.replace("The value", f"An option of `{name[:60]}`", 1)
            field.draft.refuse((*field.path, "enum", index), "conflict", message)
