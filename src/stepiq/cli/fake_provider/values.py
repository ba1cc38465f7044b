"""Generates a small value that matches a JSON Schema."""

import random
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import jsonschema_rs
from rstr import Rstr

from stepiq.language.places import write_path

Schema = dict[str, Any]

_DRAWS = 300
"""Texts drawn for each pattern."""


class UnmatchedSchemaError(Exception):
    """The generated value does not match the schema. The message says where."""


def matching_instance(schema: Any) -> Any:
    """A small value that matches a schema.

    Raises:
        UnmatchedSchemaError: the schema is invalid, or needs more than this module can generate.
    """
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
        value = instance_of(schema)
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        name = write_path(tuple(error.instance_path))
        raise UnmatchedSchemaError(f"{name}: {error.message}" if name else error.message) from None
    return value


def instance_of(schema: Any, root: Any = None) -> Any:
    """A small value for a schema of types, enums, required fields, bounds, patterns and internal references."""
    if not isinstance(schema, dict):
        return None
    described = cast("Schema", schema)
    root = described if root is None else root
    if "$ref" in described:
        return instance_of(_resolve(str(described["$ref"]), root), root)
    for key in ("const", "default"):
        if key in described:
            return described[key]
    if described.get("enum"):
        return described["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if described.get(key):
            return instance_of(described[key][0], root)
    return _MAKERS.get(_kind(described), _null)(described, root)


def _kind(schema: Schema) -> str:
    kind: Any = schema.get("type") or ("object" if "properties" in schema else "string")
    return str(cast("list[Any]", kind)[0] if isinstance(kind, list) else kind)


def _resolve(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part and isinstance(found, dict):
            found = cast("Schema", found).get(part)
    return found


def _object(schema: Schema, root: Any) -> Schema:
    fields: Schema = schema.get("properties") or {}
    names: list[str] = schema.get("required", list(fields))
    return {name: instance_of(fields.get(name, {}), root) for name in names}


def _array(schema: Schema, root: Any) -> list[Any]:
    count = max(1, schema.get("minItems", 1))
    return [instance_of(schema.get("items", {}), root) for _ in range(count)]


def _string(schema: Schema, _root: Any) -> str:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    found = _text_of(schema["pattern"], shortest, longest) if "pattern" in schema else None
    return "text".ljust(shortest, "x")[:longest] if found is None else found


@lru_cache
def _text_of(pattern: str, shortest: int, longest: int) -> str | None:
    """The shortest of some texts that match a pattern and have such a length. None if no text is found."""
    # The same pattern always gets the same text.
    source = Rstr(random.Random(0))  # noqa: S311
    try:
        drawn = [source.xeger(pattern).ljust(shortest, "x") for _ in range(_DRAWS)]
    # The library does not support every pattern.
    except (re.error, LookupError, ValueError):
        return None
    rules = {"pattern": pattern, "maxLength": longest}
    fits = jsonschema_rs.Draft202012Validator(rules).is_valid
    return min(filter(fits, drawn), key=len, default=None)


def _number(schema: Schema, _root: Any) -> Any:
    return schema.get("minimum", min(1, schema.get("maximum", 1)))


def _boolean(_schema: Schema, _root: Any) -> bool:
    return True


def _null(_schema: Schema, _root: Any) -> None:
    return None


_MAKERS: dict[str, Callable[[Schema, Any], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
}
