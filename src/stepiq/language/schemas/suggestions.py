"""Suggestions for data that is not a valid JSON Schema."""

from collections.abc import Mapping
from difflib import get_close_matches

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object, kind_of
from stepiq.language.words import nearest, same_word, suggest

# High, so that keywords of other vocabularies, such as `enumDescriptions`, do not count as misspelled.
_MIN_LIKENESS = 0.85
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_KEYWORDS = frozenset(
    {
        # References.
        "definitions",
        # Schemas inside the schema.
        "additionalItems", "additionalProperties", "allOf", "anyOf", "contains", "contentSchema", "dependencies",
        "dependentSchemas", "else", "if", "items", "not", "oneOf", "patternProperties", "prefixItems", "properties",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
        # Checks.
        "const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains",
        "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
        "minimum", "multipleOf", "pattern", "required", "type", "uniqueItems",
        # Notes.
        "contentEncoding", "contentMediaType", "default", "deprecated", "description", "examples", "readOnly",
        "title", "writeOnly",
        # Notes of OpenAPI.
        "discriminator", "example", "externalDocs", "nullable", "xml",
    }
)  # fmt: skip


def stray_name(schema: Mapping[str, Json], *, is_whole: bool) -> tuple[str, str] | None:
    """A field or a misspelled keyword among keywords, and a message; None if there is none.

    JSON Schema ignores unknown keywords, so `{summary: string}` and `{min_length: 5}` would accept every value.

    Args:
        schema: a schema or a part of one.
        is_whole: whether it is a complete schema. One without any keyword then consists of fields.
    """
    unknown = [name for name in schema if not _is_keyword(name)]
    for name in unknown:
        if near := _near_keyword(name):
            return name, f"`{name[:60]}` is not a keyword of JSON Schema. Did you mean `{near}`?"
    if is_whole and len(unknown) == len(schema):
        stray = unknown
    else:
        stray = [name for name in unknown if _is_field(schema[name])]
    if not stray:
        return None
    name = stray[0]
    return name, (
        f"`{name[:60]}` is not a keyword of JSON Schema. Write fields under `properties`: "
        f"`{{type: object, properties: {{{name[:60]}: {{type: {_type_of(schema[name])}}}}}}}`."
    )


def _is_keyword(name: str) -> bool:
    return name in _KEYWORDS or name.startswith(("$", "x-"))


def _near_keyword(name: str) -> str | None:
    if same := same_word(name, _KEYWORDS):
        return same
    # Short keywords are too similar to other words: `note` is not a misspelled `not`.
    long = [keyword for keyword in _KEYWORDS if len(keyword) > 3]
    near = get_close_matches(name[:60], long, 1, _MIN_LIKENESS)
    return near[0] if near else None


def _is_field(value: Json) -> bool:
    if is_object(value):
        return _names_types(value.get("type"))
    return isinstance(value, str) and value in TYPES


def _names_types(value: Json) -> bool:
    names = value if is_array(value) else [value]
    return bool(names) and all(name in TYPES for name in names)


def _type_of(value: object) -> str:
    """The type to suggest for a field."""
    if is_object(value):
        value = value.get("type", "object")
    return (nearest(value, TYPES) if isinstance(value, str) else None) or "string"


def wrong_type_name(value: object) -> str:
    """The message for an invalid value of `type`."""
    names = value if is_array(value) else [value]
    wrong = next((name for name in names if isinstance(name, str) and name not in TYPES), None)
    if wrong is None:
        return "`type` must be the name of a type, such as `string`, or a list of such names."
    return f"`type` cannot be `{wrong[:60]}`. {suggest(wrong, TYPES)}"


def no_schema(name: str, value: object) -> str:
    """The message for a value that must be a schema."""
    return f"`{name[:60]}` must be a schema, such as `{{type: {_type_of(value)}}}`; it is {kind_of(value)}."


def no_list_of_fields(value: object) -> str:
    """The message for an invalid value of `required`."""
    return (
        f"`required` must be a list of field names; it is {kind_of(value)}. "
        "Write it next to `properties`: `required: [summary]`."
    )
