"""The input of a pipeline: the short form, the long form, and the validation of a payload.

A mapping under `input.schema` is a JSON Schema (the long form) if one of its keywords has a value that a field of the
short form cannot have: `$schema`, `$id`, `$ref` or `type` is a string; `type`, `required`, `allOf`, `anyOf` or `oneOf`
is a list; `additionalProperties` is a boolean; or `properties` or `$defs` is a mapping whose values are all mappings
or booleans. In the short form, the value of every name is a mapping such as `{type: string}`, so that a field may be
called `type` or `properties`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stepiq.core.errors import Invalid, Issue
from stepiq.core.json import Json, as_object
from stepiq.language.data import is_array, is_object
from stepiq.language.schemas.validation import Schema
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.words import nearest

_MAX_COMPARED = 100


class InputInvalid(Invalid):
    """The input does not match the pipeline's schema."""

    code = "input_invalid"


@dataclass(frozen=True, slots=True)
class InputSchema:
    """The compiled `input.schema`, which may be absent."""

    schema: Schema | None = None
    """None: any input is valid."""
    declared: frozenset[str] | None = None
    """Field names of the short form; None for the long form and without a schema."""
    field_types: Mapping[str, str] = field(default_factory=dict[str, str])
    """Type of each field of the short form."""

    def validate(
        self, payload: Mapping[str, Json], meter: ValidationMeter | None = None
    ) -> dict[str, Json]:
        """Validate and normalize a payload: defaults are filled in, `3.0` becomes `3` for integers.

        `null` for an optional field counts as absent. Absent fields stay absent: see `with_absent`. Fields that the
        schema does not name are kept. In a coroutine, use `offload.validate` or `offload.validate_apart`.

        Args:
            payload: the input as given.
            meter: is charged for the work before it is done.

        Raises:
            InputInvalid: with one issue per field.
        """
        values = dict(payload)
        if self.schema is None:
            return values
        document = self.schema.document
        required = _texts(document.get("required"))
        properties = _mapping(document.get("properties"))
        for name in properties:
            if name not in required and values.get(name, ...) is None:
                del values[name]
        values = as_object(_fill(document, values))
        found = self.schema.issues(values, meter=meter)
        if issues := [_hinted(issue, values, properties) for issue in found]:
            sentences = " ".join(issue.message for issue in issues[:5])
            raise InputInvalid(
                f"The input does not match the pipeline's input schema. {sentences}", issues
            )
        return as_object(self.schema.integers(values))

    def with_absent(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """The input as templates and expressions read it: fields of the schema that are absent are None."""
        fields = {} if self.schema is None else _mapping(self.schema.document.get("properties"))
        return {**dict.fromkeys(fields), **values}


def _hinted(issue: Issue, values: Mapping[str, Json], properties: Mapping[str, Json]) -> Issue:
    """Add to an issue about a missing field the name of the input field that was probably meant."""
    if issue.code != "required" or issue.path not in properties:
        return issue
    unknown = [name for name in values if name not in properties][:_MAX_COMPARED]
    if (near := nearest(issue.path, unknown)) is None:
        return issue
    return replace(
        issue, message=f"{issue.message} The input has `{near[:60]}`. Did you mean `{issue.path}`?"
    )


TEXT_KEYWORDS = ("$schema", "$id", "$ref", "type")
LIST_KEYWORDS = ("type", "required", "allOf", "anyOf", "oneOf")
SWITCH_KEYWORD = "additionalProperties"
MAP_KEYWORDS = ("properties", "$defs")


def is_long_form(schema: Mapping[str, Json]) -> bool:
    """Whether `input.schema` is written as a JSON Schema, by the rule in this module's docstring."""
    if any(isinstance(schema.get(key), str) for key in TEXT_KEYWORDS):
        return True
    if any(is_array(schema.get(key)) for key in LIST_KEYWORDS):
        return True
    if isinstance(schema.get(SWITCH_KEYWORD), bool):
        return True
    return any(_is_map_of_schemas(schema.get(key)) for key in MAP_KEYWORDS)


def _is_map_of_schemas(value: Json) -> bool:
    if not is_object(value):
        return False
    return all(isinstance(item, dict | bool) for item in value.values())


def _fill(schema: Json, value: Json) -> Json:
    """Fill in the defaults of fields, in the objects that are present."""
    properties = _mapping(schema.get("properties")) if is_object(schema) else {}
    if not properties or not is_object(value):
        return value
    filled = dict(value)
    for name, inner in properties.items():
        if name in filled:
            filled[name] = _fill(inner, filled[name])
        elif is_object(inner) and "default" in inner:
            filled[name] = inner["default"]
    return filled


def _mapping(value: Json) -> dict[str, Json]:
    return value if is_object(value) else {}


def _texts(value: Json) -> frozenset[str]:
    return frozenset(map(str, value) if is_array(value) else ())
