"""Generates a small value that matches a JSON Schema."""

from collections.abc import Callable
from typing import Any, cast

Schema = dict[str, Any]


def instance_of(schema: Any, root: Any = None) -> Any:
    """A small value that matches a schema of types, enums, required fields, bounds and internal references."""
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
    return "text".ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 10_000)]


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
