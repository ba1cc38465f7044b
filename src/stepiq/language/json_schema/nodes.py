"""The pieces that the schema is made of.

Only keywords that editors know are used: those of draft 7, whose meaning 2020-12 has kept, and a few that editors add to
them (`markdownDescription`, `enumDescriptions`, `errorMessage`, `defaultSnippets`, `doNotSuggest`).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from stepiq.core.json import Json
from stepiq.language.data import is_array

Node = dict[str, Json]
"""A schema, or a part of one."""

_ABSENT = "The same as a missing field."


def words(title: str, description: str) -> Node:
    """What an editor shows beside a field; a description may have `code` in it."""
    made: Node = {"title": title, "description": _plain(description)}
    if "`" in description:
        made["markdownDescription"] = description
    return made


def text(
    title: str,
    description: str,
    *,
    minimum: int = 1,
    maximum: int | None = None,
    pattern: str = "",
    rule: str = "",
    default: str | None = None,
    examples: Sequence[str] = (),
) -> Node:
    """A text; `pattern` is one that the whole of it fits, and `rule` puts it into words."""
    made: Node = {**words(title, description), "type": "string"}
    if minimum:
        made["minLength"] = minimum
    if maximum is not None:
        made["maxLength"] = maximum
    if pattern:
        made |= {"pattern": whole(pattern), "patternErrorMessage": f"This must be {rule}."}
    return made | _hints(default, examples)


def template(title: str, description: str, *, maximum: int | None = None) -> Node:
    """A text with template tags in it."""
    return text(title, f"Template. {description}", maximum=maximum)


def expression(title: str, description: str, maximum: int) -> Node:
    """An expression: a text, or the boolean that `true` and `false` are in YAML."""
    return {
        **words(title, f"Expression. {description}"),
        "type": ["string", "boolean"],
        "minLength": 1,
        "maxLength": maximum,
    }


def integer(
    title: str, description: str, low: int, high: int, *, default: int | None = None
) -> Node:
    """A whole number from `low` to `high`."""
    made = {**words(title, description), "type": "integer", "minimum": low, "maximum": high}
    return made | _hints(default)


def number(
    title: str, description: str, low: float, high: float, *, default: float | None = None
) -> Node:
    """A number from `low` to `high`."""
    made = {**words(title, description), "type": "number", "minimum": low, "maximum": high}
    return made | _hints(default)


def boolean(title: str, description: str, *, default: bool | None = None) -> Node:
    """True or false."""
    return {**words(title, description), "type": "boolean"} | _hints(default)


def choice(
    title: str,
    description: str,
    meanings: Mapping[str, str],
    options: type[StrEnum] | Sequence[str],
    *,
    default: str | None = None,
) -> Node:
    """One of several words, each with its meaning.

    Raises:
        KeyError: one of the options has no meaning.
    """
    values = [str(option) for option in options]
    says = [meanings[value] for value in values]
    made: Node = {
        **words(title, description),
        "type": "string",
        "enum": values,
        "enumDescriptions": [_plain(each) for each in says],
    }
    if any("`" in each for each in says):
        made["markdownEnumDescriptions"] = says
    return made | _hints(default)


def array(title: str, description: str, items: Node, minimum: int, maximum: int) -> Node:
    """A list of `minimum` to `maximum` entries."""
    bounds: Node = {"minItems": minimum} if minimum else {}
    made: Node = {**words(title, description), "type": "array", "items": items}
    return made | bounds | {"maxItems": maximum}


def mapping(
    title: str, description: str, fields: Mapping[str, Node], required: Sequence[str] = ()
) -> Node:
    """A mapping with these fields and no others; those that are not required may be null."""
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
    """A mapping of names that fit a pattern to values of one kind."""
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
    """A mapping that fits another schema, which says nothing about null."""
    return {
        **words(title, description),
        "type": "object",
        "if": {"type": "object"},
        "then": then,
    }


def nothing(description: str) -> Node:
    """A field that has no meaning here, so that editors do not offer it and only null may stand there."""
    return {
        "description": description,
        "type": "null",
        "errorMessage": description,
        "doNotSuggest": True,
    }


def either(title: str, description: str, *ways: Node) -> Node:
    """One of several shapes."""
    return {**words(title, description), "anyOf": list(ways)}


def by_type(ways: Mapping[str, Node], *, default: str | None = None) -> Node:
    """What a mapping has to fit, by its `type`; `default` is the one that counts where it is absent."""
    return {"allOf": [_way(name, then, name == default) for name, then in ways.items()]}


def _way(name: str, then: Node, is_default: bool) -> Node:
    # `doNotSuggest`: the fields of a condition are said elsewhere, and an editor would offer them twice.
    asked: Node = {"enum": [name, None] if is_default else [name], "doNotSuggest": True}
    if is_default:
        # Also for what is no mapping yet, so that an editor has fields to offer.
        return {"if": {"properties": {"type": asked}}, "then": then}
    condition: Node = {"type": "object", "properties": {"type": asked}, "required": ["type"]}
    return {"if": condition, "then": then}


def or_null(node: Node) -> Node:
    """The same, or null: for an optional field that counts as absent."""
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
    """A pattern that the whole of a text fits, as a pattern that is searched for."""
    return f"^(?:{pattern})$"


def _plain(description: str) -> str:
    return description.replace("`", "")


def _hints(default: Json, examples: Sequence[str] = ()) -> Node:
    made: Node = {} if default is None else {"default": default}
    return made | ({"examples": list(examples)} if examples else {})
