"""The part of JSON Schema that Anthropic guarantees.

Anthropic requires closed objects that list their fields, so a schema with open objects, such as a map of names to
numbers, would become one that only `{}` fits. Such schemas are put in the prompt instead.
"""

import re
from typing import Any, cast

Schema = dict[str, Any]

_REFERENCE = re.compile(r"#/\$defs/[^/]+")
_CONTENTS = {"object": ("properties", "required", "additionalProperties"), "array": ("items",)}


class _OutsideError(Exception):
    """A keyword that cannot be expressed in Anthropic's subset without changing the meaning of the schema."""


def guaranteed(schema: Schema) -> Schema | None:
    """The schema in Anthropic's subset; None if its meaning would change.

    Unsupported constraints, such as `maxLength`, move into descriptions, which does not guarantee them. Requires
    Anthropic's library.
    """
    from anthropic import transform_schema

    try:
        closed = transform_schema(_prepared(schema))
    except (_OutsideError, RecursionError):
        return None
    return closed if closed.get("type") == "object" else None


def _prepared(node: object) -> Schema:
    """One node in the form that the library's transformation supports."""
    if not isinstance(node, dict):
        raise _OutsideError
    kept = dict(cast(Schema, node))
    if _is_open(kept):
        raise _OutsideError
    if "$defs" in kept:
        kept["$defs"] = {name: _prepared(each) for name, each in kept["$defs"].items()}
    if "$ref" in kept:
        if not _REFERENCE.fullmatch(str(kept["$ref"])):
            raise _OutsideError
        return kept
    for keyword in ("anyOf", "oneOf"):
        if keyword in kept:
            kept.pop("type", None)
            return {**kept, keyword: [_prepared(each) for each in kept[keyword]]}
    if _is_choice(kept):
        return kept
    kind = kept.get("type")
    if isinstance(kind, list):
        return _one_of_types(kept, cast("list[str]", kind))
    return _with_children(kept, kind)


def _is_open(node: Schema) -> bool:
    """Whether closing its objects, or omitting unsupported combinations, would change its meaning."""
    if not {"allOf", "patternProperties", "prefixItems", "definitions"}.isdisjoint(node):
        return True
    is_union = "anyOf" in node or "oneOf" in node
    if is_union and not {"properties", "items"}.isdisjoint(node):
        return True
    return bool(node.get("additionalProperties", False))


def _is_choice(node: Schema) -> bool:
    values = node.get("enum", [node["const"]] if "const" in node else None)
    return isinstance(values, list) and all(
        value is None or isinstance(value, str | int | float)
        for value in cast("list[object]", values)
    )


def _one_of_types(node: Schema, kinds: list[str]) -> Schema:
    around = {name: node.pop(name) for name in ("description", "$defs") if name in node}
    return {**around, "anyOf": [_with_children({**node, "type": kind}, kind) for kind in kinds]}


def _with_children(node: Schema, kind: object) -> Schema:
    # Keywords of the other types do not apply to this one.
    foreign = {name for of, names in _CONTENTS.items() if of != kind for name in names}
    kept = {name: value for name, value in node.items() if name not in foreign}
    match kind:
        case "object" if "properties" in kept:
            fields: Schema = kept["properties"]
            if not fields.keys() >= set(kept.get("required", ())):
                raise _OutsideError
            return {**kept, "properties": {name: _prepared(each) for name, each in fields.items()}}
        case "array" if "items" in kept:
            return {**kept, "items": _prepared(kept["items"])}
        case "string" | "integer" | "number" | "boolean" | "null":
            return kept
        case _:
            raise _OutsideError
