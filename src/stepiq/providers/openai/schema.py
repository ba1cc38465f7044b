"""The subset of JSON Schema that OpenAI guarantees for an answer (`strict`).

https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

import re
from typing import Any, cast

_KEYWORDS = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "definitions",
        "description",
        "enum",
        "items",
        "properties",
        "required",
        "type",
    }
)
"""Later models guarantee more, such as `minimum` and `pattern`. The name of a model does not say which ones do."""

_REFERENCE = re.compile(r"#(/(\$defs|definitions)/[^/]+)?")
"""OpenAI resolves only references to the whole schema and to definitions at its top level."""

_KINDS = frozenset({"$ref", "anyOf", "type"})
"""Each schema needs one of these, even if it has `const` or `enum`."""


def is_strict(schema: dict[str, Any]) -> bool:
    """Whether OpenAI accepts and guarantees this schema. With another one, it rejects a strict request."""
    return schema.get("type") == "object" and "anyOf" not in schema and _fits(schema)


def _fits(schema: object) -> bool:
    if not isinstance(schema, dict):
        return False
    given = cast("dict[str, Any]", schema)
    if not _KEYWORDS.issuperset(given):
        return False
    if not _is_complete(given):
        return False
    inner: list[object] = []
    for name in ("properties", "$defs", "definitions"):
        if name in given:
            if not isinstance(named := given[name], dict):
                return False
            inner.extend(cast("dict[str, object]", named).values())
    if "anyOf" in given:
        if not isinstance(options := given["anyOf"], list):
            return False
        inner.extend(cast("list[object]", options))
    if "items" in given:
        inner.append(given["items"])
    return all(map(_fits, inner))


def _is_complete(schema: dict[str, Any]) -> bool:
    """Whether the schema is only a reference, or has a type and the content of an object or an array."""
    if "$ref" in schema:
        return len(schema) == 1 and _REFERENCE.fullmatch(str(schema["$ref"])) is not None
    types = schema.get("type")
    names = cast("list[object]", types) if isinstance(types, list) else [types]
    if ("object" in names or "properties" in schema) and not _is_closed(schema):
        return False
    return not _KINDS.isdisjoint(schema) and ("array" not in names or "items" in schema)


def _is_closed(schema: dict[str, Any]) -> bool:
    names = schema.get("properties", {})
    required = schema.get("required", [])
    return (
        schema.get("additionalProperties") is False
        and isinstance(names, dict)
        and isinstance(required, list)
        and set(cast("dict[str, Any]", names)) == set(map(str, cast("list[object]", required)))
    )
