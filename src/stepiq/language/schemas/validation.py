"""User-written JSON Schemas: compiled once, with problems explained in sentences.

Schemas are untrusted. Nothing is fetched, patterns run in linear time, and a schema that would be too expensive to
check is refused when it is saved (`schemas.cost`). What could take more than a few milliseconds is validated in a process
whose time and memory are limited (`schemas.process`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from stepiq.core.errors import Issue
from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_object, is_whole, kind_of
from stepiq.language.patterns import PatternSyntaxError, compile_regex
from stepiq.language.places import Path, write_path
from stepiq.language.schemas import process_client
from stepiq.language.schemas.cost import SchemaProblem, measure
from stepiq.language.schemas.suggestions import no_list_of_fields, no_schema, wrong_type_name
from stepiq.language.schemas.work import MOST_WORK_HERE, SchemaCost, ValidationMeter, work_of

_MAX_ISSUES = 50
_MAX_PATTERN_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema."""

    document: dict[str, Json]
    """As written."""
    validator: jsonschema_rs.Draft202012Validator
    cost: SchemaCost

    def issues(
        self,
        value: Json,
        at: Path = (),
        subject: str = "The value",
        meter: ValidationMeter | None = None,
    ) -> tuple[Issue, ...]:
        """The problems of a value, at most one per field; empty if it is valid. Messages do not repeat the value.

        Args:
            value: the value to check.
            at: path of the value, for the paths of the issues.
            subject: what messages call the value if `at` is empty.
            meter: is charged for the work before it is done.
        """
        meter = meter or ValidationMeter()
        work = work_of(value, self.cost, meter)
        if work <= MOST_WORK_HERE:
            if self.validator.is_valid(value):
                return ()
            meter.spend(int(work))
            # Creating an error takes a hundred times as long as a check.
            if work <= MOST_WORK_HERE // 10:
                return self.listed(value, at, subject)
        return process_client.of_this_thread().issues(self.document, value, at, subject)

    def listed(self, value: Json, at: Path, subject: str) -> tuple[Issue, ...]:
        """The problems of an invalid value. The library creates all its errors, however many, before it returns one."""
        found: dict[str, Issue] = {}
        for error in self.validator.iter_errors(value):
            for issue in _issues(error, at, subject):
                found.setdefault(issue.path, issue)
            if len(found) >= _MAX_ISSUES:
                break
        return tuple(found.values())

    def integers(self, value: Json) -> Json:
        """A valid value, with `3.0` replaced by `3` wherever a property or an item has the type integer."""
        return _with_integers(self.document, value)


def compile_schema(document: dict[str, Json], *, max_patterns: int) -> Schema:
    """Check and compile a JSON Schema (2020-12).

    Args:
        document: the schema.
        max_patterns: maximum number of patterns.

    Raises:
        SchemaProblem: the schema is invalid, not supported, or too expensive.
    """
    cost = measure(document, max_patterns=max_patterns)
    try:
        validator = jsonschema_rs.Draft202012Validator(
            document,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_MAX_PATTERN_BYTES),
            offline=True,
            # Instead of the value in the library's messages, which are not used: they would be copies of it.
            mask="",
        )
    except jsonschema_rs.ValidationError as error:
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
            # References in parts that can be evaluated are checked already.
            if "$id" in document:
                message = "`$id` is not a valid URI. Change or remove it."
                raise SchemaProblem(("$id",), message) from None
            message = "A `$ref` of this schema does not refer to a part of it. Change or remove it."
            raise SchemaProblem((), message) from None
        raise SchemaProblem(tuple(error.instance_path), _compile_message(error)) from None
    return Schema(document, validator, cost)


def _compile_message(error: jsonschema_rs.ValidationError) -> str:
    path, kind, value = error.instance_path, error.kind, error.instance
    if kind.name == "format" and kind.value == "regex":
        return _pattern_message(str(value))
    if kind.name == "type" and path[-1] == "required":
        return no_list_of_fields(value)
    if kind.name == "type" and kind.value == ["boolean", "object"]:
        return no_schema(str(path[-1]), value)
    if kind.name == "anyOf" and path[-1:] == ["type"]:
        return wrong_type_name(value)
    _, predicate = _predicate(error)
    return f"`{write_path(tuple(path[-2:]))}` {predicate}."


def _pattern_message(pattern: str) -> str:
    try:
        compile_regex(pattern)
    except PatternSyntaxError as error:
        return error.message
    return "This pattern cannot be used. Look-around, back-references and very large repetitions are not supported."


def _with_integers(schema: Json, value: Json) -> Json:
    if not is_object(schema):
        return value
    if isinstance(value, float):
        return int(value) if _is_integer(schema.get("type")) and is_whole(value) else value
    if is_array(value):
        items = schema.get("items")
        return [_with_integers(items, item) for item in value] if is_object(items) else value
    properties = schema.get("properties")
    if is_object(value) and is_object(properties):
        return {name: _with_integers(properties.get(name), inner) for name, inner in value.items()}
    return value


def _is_integer(types: Json) -> bool:
    return types == "integer" or (is_array(types) and "integer" in types and "number" not in types)


# -- messages --

_TYPES = {
    "string": "a string", "integer": "an integer", "number": "a number", "boolean": "a boolean",
    "array": "a list", "object": "an object", "null": "null",
}  # fmt: skip


def _issues(error: jsonschema_rs.ValidationError, at: Path, subject: str) -> Iterator[Issue]:
    path: Path = (*at, *error.instance_path)
    kind = error.kind
    match kind:
        case jsonschema_rs.ValidationErrorKind.Required():
            name = write_path((*path, kind.property))
            yield Issue(name, "required", f"`{name}` is required.")
        case (
            jsonschema_rs.ValidationErrorKind.AdditionalProperties()
            | jsonschema_rs.ValidationErrorKind.UnevaluatedProperties()
        ):
            for unexpected in kind.unexpected:
                name = write_path((*path, unexpected))
                yield Issue(name, "unknown_field", f"`{name}` is not a field of the schema.")
        case _:
            name = write_path(path)
            code, predicate = _predicate(error)
            yield Issue(name, code, f"{f'`{name}`' if name else subject} {predicate}.")


def _predicate(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    name, value = error.kind.name, error.kind.value
    if name in _PREDICATES:
        code, sentence = _PREDICATES[name]
        return code, sentence(value, error.instance)
    return "invalid", f"does not match the schema (`{name}`)"


def _types(types: Any, instance: Json) -> str:
    names = [_TYPES.get(name, name) for name in ([types] if isinstance(types, str) else types)]
    return f"must be {' or '.join(names)}; it is {kind_of(instance)}"


def _options(options: Any, instance: Json) -> str:
    shown = ", ".join(dumps(option) for option in options[:10])
    return f"must be one of {shown}{' …' if len(options) > 10 else ''}"


def _at_least(noun: str) -> Callable[[Any, Any], str]:
    return lambda limit, value: f"must have at least {_count(limit, noun)}; it has {_length(value)}"


def _at_most(noun: str) -> Callable[[Any, Any], str]:
    return lambda limit, value: f"must have at most {_count(limit, noun)}; it has {_length(value)}"


def _length(value: Any) -> int:
    return len(value)


def _count(limit: int, noun: str) -> str:
    return f"{limit} {noun}" if limit == 1 else f"{limit} {noun}s"


_PREDICATES: dict[str, tuple[str, Callable[[Any, Any], str]]] = {
    "type": ("wrong_type", _types),
    "enum": ("not_allowed", _options),
    "const": ("not_allowed", lambda value, _: f"must be {dumps(value)[:200]}"),
    "minimum": ("out_of_range", lambda limit, _: f"must be at least {limit}"),
    "maximum": ("out_of_range", lambda limit, _: f"must be at most {limit}"),
    "exclusiveMinimum": ("out_of_range", lambda limit, _: f"must be greater than {limit}"),
    "exclusiveMaximum": ("out_of_range", lambda limit, _: f"must be less than {limit}"),
    "multipleOf": ("out_of_range", lambda factor, _: f"must be a multiple of {factor}"),
    "minLength": ("too_short", _at_least("character")),
    "maxLength": ("too_long", _at_most("character")),
    "minItems": ("too_short", _at_least("item")),
    "maxItems": ("too_long", _at_most("item")),
    "minProperties": ("too_short", _at_least("field")),
    "maxProperties": ("too_long", _at_most("field")),
    "pattern": ("invalid_format", lambda pattern, _: f"does not match the pattern `{pattern}`"),
    "format": ("invalid_format", lambda name, _: f"is not in the format `{name}`"),
    "uniqueItems": ("duplicate", lambda _, __: "contains the same item twice"),
    "anyOf": ("invalid", lambda _, __: "does not match any of the allowed schemas"),
    "oneOf": ("invalid", lambda _, __: "must match exactly one of the allowed schemas"),
}


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
