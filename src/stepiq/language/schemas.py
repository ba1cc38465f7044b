"""JSON Schemas that users write: compiled once, answered in sentences.

Schemas are untrusted. Nothing is ever fetched, patterns run in linear time, and a schema whose parts refer to
each other so often that checking a value would take long is refused when it is saved.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from stepiq.core.errors import Issue
from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_object, kind_of
from stepiq.language.places import Path, write_path

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAX_ISSUES = 50
_MAX_WEIGHT = 10_000
_MAX_REFERENCE_DEPTH = 100
_MAX_PATTERN_BYTES = 256 * 1024

_ONE_IN_PLACE = ("not", "if", "then", "else")
_LIST_IN_PLACE = ("allOf", "anyOf", "oneOf")
_ONE_BELOW = (
    "items", "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames",
)  # fmt: skip
_MAP_BELOW = ("properties", "patternProperties", "dependentSchemas")


class SchemaProblem(Exception):
    """A schema cannot be used; says where in it and why."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema."""

    document: dict[str, Json]
    """As written."""
    validator: jsonschema_rs.Draft202012Validator

    def issues(self, value: Json) -> tuple[Issue, ...]:
        """What is wrong with a value, at most one issue a field; empty if it fits. Values are not repeated."""
        found: dict[str, Issue] = {}
        for error in self.validator.iter_errors(value):
            for issue in _issues(error):
                found.setdefault(issue.path, issue)
            if len(found) >= _MAX_ISSUES:
                break
        return tuple(found.values())


def compile_schema(document: dict[str, Json]) -> Schema:
    """Check and compile a JSON Schema (2020-12).

    Raises:
        SchemaProblem: not a schema, or one that this server will not check values with.
    """
    _Weigher(document).check()
    try:
        validator = jsonschema_rs.Draft202012Validator(
            document,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_MAX_PATTERN_BYTES),
            offline=True,
        )
    except jsonschema_rs.ValidationError as error:
        raise SchemaProblem(tuple(error.instance_path), _compile_message(error)) from None
    except ValueError as error:
        raise SchemaProblem((), f"This is not a JSON Schema: {error}.") from None
    return Schema(document, validator)


def _compile_message(error: jsonschema_rs.ValidationError) -> str:
    if error.kind.name == "format" and error.instance_path[-1:] == ["pattern"]:
        return "This pattern cannot be run in linear time: no look-around, no back-references, bounded size."
    return f"This is not a JSON Schema: {error.message[:200]}."


class _Weigher:
    """Adds up how often parts of a schema are looked at for one value, references followed."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._document = document
        self._weights: dict[int, int] = {}
        self._active: dict[int, int] = {}
        """Schemas being weighed, and how deep below the value's root each was entered."""
        self._depth = 0

    def check(self) -> None:
        self._refuse_foreign(self._document, ())
        weight = self._weigh(self._document, (), 0)
        if weight > _MAX_WEIGHT:
            raise SchemaProblem(
                (), "The parts of this schema refer to each other too often. Simplify it."
            )

    def _refuse_foreign(self, node: Json, path: Path) -> None:
        if is_array(node):
            for index, item in enumerate(node):
                self._refuse_foreign(item, (*path, index))
        if not is_object(node):
            return
        for key, value in node.items():
            if isinstance(value, str):
                self._refuse_keyword(key, value, (*path, key))
            elif key not in ("const", "enum", "default", "examples"):
                self._refuse_foreign(value, (*path, key))

    def _refuse_keyword(self, key: str, value: str, path: Path) -> None:
        match key:
            case "$ref" if not value.startswith("#"):
                raise SchemaProblem(
                    path, "`$ref` can point only inside this schema, as in `#/$defs/address`."
                )
            case "$dynamicRef" | "$recursiveRef":
                raise SchemaProblem(path, f"`{key}` is not supported. Use `$ref`.")
            case "$id" if len(path) > 1:
                raise SchemaProblem(path, "`$id` can stand only at the top of a schema.")
            case "$schema" if value.rstrip("#") != DIALECT:
                raise SchemaProblem(path, f"Only JSON Schema 2020-12 is supported: `{DIALECT}`.")
            case _:
                pass

    def _weigh(self, node: Json, path: Path, below: int) -> int:
        if not is_object(node):
            return 1
        identity = id(node)
        if identity in self._weights:
            return self._weights[identity]
        if identity in self._active:
            if self._active[identity] == below:
                raise SchemaProblem(path, "This part of the schema refers to itself without end.")
            return 1
        if len(self._active) > _MAX_REFERENCE_DEPTH:
            raise SchemaProblem(path, "References in this schema lead too deep. Simplify it.")
        self._active[identity] = below
        weight = 1
        for child, child_path, step in self._children(node, path):
            weight = min(weight + self._weigh(child, child_path, below + step), _MAX_WEIGHT + 1)
        del self._active[identity]
        self._weights[identity] = weight
        return weight

    def _children(self, node: dict[str, Json], path: Path) -> Iterator[tuple[Json, Path, int]]:
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield self._resolve(reference, (*path, "$ref")), (*path, "$ref"), 0
        for key in _ONE_IN_PLACE + _ONE_BELOW:
            if key in node:
                yield node[key], (*path, key), int(key in _ONE_BELOW)
        for key in (*_LIST_IN_PLACE, "prefixItems"):
            items = node.get(key)
            if is_array(items):
                for index, item in enumerate(items):
                    yield item, (*path, key, index), int(key == "prefixItems")
        for key in _MAP_BELOW:
            fields = node.get(key)
            if is_object(fields):
                for name, item in fields.items():
                    yield item, (*path, key, name), int(key != "dependentSchemas")

    def _resolve(self, reference: str, path: Path) -> Json:
        target: Json = self._document
        pointer = unquote(reference[1:])
        if pointer and not pointer.startswith("/"):
            raise SchemaProblem(path, "`$ref` can point only by path, as in `#/$defs/address`.")
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if is_array(target) and re.fullmatch("[0-9]{1,6}", name):
                target = target[int(name)] if int(name) < len(target) else None
            else:
                target = target.get(name) if is_object(target) else None
        if not is_object(target) and not isinstance(target, bool):
            raise SchemaProblem(path, f"`{reference[:60]}` points at no schema in this document.")
        return target


# -- sentences --

_TYPES = {
    "string": "a string", "integer": "an integer", "number": "a number", "boolean": "a boolean",
    "array": "a list", "object": "an object", "null": "null",
}  # fmt: skip


def _issues(error: jsonschema_rs.ValidationError) -> Iterator[Issue]:
    path: Path = tuple(error.instance_path)
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
            yield Issue(name, code, f"{f'`{name}`' if name else 'The value'} {predicate}.")


def _predicate(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    name, value = error.kind.name, error.kind.value
    if name in _PREDICATES:
        code, sentence = _PREDICATES[name]
        return code, sentence(value, error.instance)
    return "invalid", f"does not fit the schema (`{name}`)"


def _types(types: Any, instance: Json) -> str:
    names = [_TYPES.get(name, name) for name in ([types] if isinstance(types, str) else types)]
    return f"must be {' or '.join(names)}; it is {kind_of(instance)}"


def _options(options: Any, instance: Json) -> str:
    shown = ", ".join(dumps(option) for option in options[:10])
    return f"must be one of {shown}{' …' if len(options) > 10 else ''}"


def _at_least(noun: str) -> Callable[[Any, Json], str]:
    return lambda limit, instance: f"must have at least {limit} {noun}; it has {len(instance)}"


def _at_most(noun: str) -> Callable[[Any, Json], str]:
    return lambda limit, instance: f"must have at most {limit} {noun}; it has {len(instance)}"


_PREDICATES: dict[str, tuple[str, Callable[[Any, Json], str]]] = {
    "type": ("wrong_type", _types),
    "enum": ("not_allowed", _options),
    "const": ("not_allowed", lambda value, _: f"must be {dumps(value)[:200]}"),
    "minimum": ("out_of_range", lambda limit, _: f"must be at least {limit}"),
    "maximum": ("out_of_range", lambda limit, _: f"must be at most {limit}"),
    "exclusiveMinimum": ("out_of_range", lambda limit, _: f"must be greater than {limit}"),
    "exclusiveMaximum": ("out_of_range", lambda limit, _: f"must be less than {limit}"),
    "multipleOf": ("out_of_range", lambda factor, _: f"must be a multiple of {factor}"),
    "minLength": ("too_short", _at_least("characters")),
    "maxLength": ("too_long", _at_most("characters")),
    "minItems": ("too_short", _at_least("items")),
    "maxItems": ("too_long", _at_most("items")),
    "minProperties": ("too_short", _at_least("fields")),
    "maxProperties": ("too_long", _at_most("fields")),
    "pattern": ("invalid_format", lambda pattern, _: f"does not match the pattern `{pattern}`"),
    "format": ("invalid_format", lambda name, _: f"is not in the format `{name}`"),
    "uniqueItems": ("duplicate", lambda _, __: "has the same item twice"),
    "anyOf": ("invalid", lambda _, __: "fits none of the shapes the schema allows"),
    "oneOf": ("invalid", lambda _, __: "must fit exactly one of the shapes the schema allows"),
}
