"""The building blocks of the schema.

Only keywords that editors support are used: those of draft 7 that 2020-12 has not changed, and some that editors add
(`markdownDescription`, `enumDescriptions`, `errorMessage`, `defaultSnippets`, `doNotSuggest`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stepiq.core.json import Json
from stepiq.language.data import is_array

Node = dict[str, Any]
"""A schema, or a part of one."""
_ABSENT = "The same as a missing field."


def words(title: str, description: str) -> Node:
    """Title and description that an editor shows; the description may contain `code`."""
    made: Node = {"title": title, "description": _plain(description)}
    if "`" in description:
        made["markdownDescription"] = description
    return made


def words_of(meanings: Mapping[str, str]) -> Node:
    """The keywords of a field that is one of several words, each with a description."""
    says = [*meanings.values()]
    made: Node = {
        "type": "string",
        "enum": [*map(str, meanings)],
        "enumDescriptions": [_plain(each) for each in says],
    }
    return made | ({"markdownEnumDescriptions": says} if any("`" in each for each in says) else {})


def array(title: str, description: str, items: Node, minimum: int, maximum: int) -> Node:
    """A list of `minimum` to `maximum` entries."""
    bounds: Node = {"minItems": minimum} if minimum else {}
    made: Node = {**words(title, description), "type": "array", "items": items}
    return made | bounds | {"maxItems": maximum}


def mapping(
    title: str, description: str, fields: Mapping[str, Node], required: Sequence[str] = ()
) -> Node:
    """A mapping with only these fields; optional ones may be null."""
    made: Node = {
        **words(title, description),
        "type": "object",
        "properties": {
            name: node if name in required else or_null(node) for name, node in fields.items()
        },
        "additionalProperties": False,
    }
    return made | ({"required": list(required)} if required else {})


def by_name(
    title: str, description: str, pattern: str, value: Node, maximum: int | None = None
) -> Node:
    """A mapping of names that match a pattern to values of one schema."""
    made: Node = {
        **words(title, description),
        "type": "object",
        "patternProperties": {whole(pattern): value},
        "additionalProperties": False,
    }
    return made if maximum is None else made | {"maxProperties": maximum}


def reference(name: str) -> Node:
    """A part of the schema's `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def if_object(title: str, description: str, then: Node) -> Node:
    """A mapping that matches another schema, which does not cover null."""
    return {**words(title, description), "type": "object", "if": {"type": "object"}, "then": then}


def nothing(description: str) -> Node:
    """A field that is not allowed here: editors do not suggest it, and only null is valid."""
    return {
        "description": description,
        "type": "null",
        "errorMessage": description,
        "doNotSuggest": True,
    }


def by_type(ways: Mapping[str, Node], *, default: str | None = None) -> Node:
    """The schema of a mapping by its `type`; `default` is the type of a mapping without one."""
    return {"allOf": [_way(name, then, name == default) for name, then in ways.items()]}


def _way(name: str, then: Node, is_default: bool) -> Node:
    # `doNotSuggest`: the fields of a condition are described elsewhere, and editors would suggest them twice.
    asked: Node = {"enum": [name, None] if is_default else [name], "doNotSuggest": True}
    if is_default:
        # Applies before the value is a mapping too, so that editors have fields to suggest.
        return {"if": {"properties": {"type": asked}}, "then": then}
    condition: Node = {"type": "object", "properties": {"type": asked}, "required": ["type"]}
    return {"if": condition, "then": then}


def or_null(node: Node) -> Node:
    """The same schema, or null, for an optional field: null counts as absent."""
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]}
    if "type" not in node:
        return node
    written: Json = node["type"]
    types = written if is_array(written) else [written]
    made: Node = {**node, "type": list(dict.fromkeys([*types, "null"]))}
    if "enum" in node:
        made["enum"] = [*node["enum"], None]
    for name in ("enumDescriptions", "markdownEnumDescriptions"):
        if name in node:
            made[name] = [*node[name], _ABSENT]
    return made


def whole(pattern: str) -> str:
    """Anchor a pattern at both ends."""
    return f"^(?:{pattern})$"


def _plain(description: str) -> str:
    return description.replace("`", "")
