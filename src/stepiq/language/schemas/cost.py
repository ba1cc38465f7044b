"""Estimates the work of validating with a schema before it is compiled.

A schema is a graph: parts that validate the same value (`allOf`, `$ref`), and parts that validate a value inside it
(`properties`, `items`). Without recursion, the number of paths through the graph limits the work for each value.
With recursion, the work grows with the depth of the value, and doubles at every level if a cycle validates one inner
value twice; such schemas are refused. Parts with `unevaluatedProperties` or `unevaluatedItems` validate with their
parts in place again, and with those of `contains` and of these two keywords. So nesting them doubles the work too.

The work for one value depends on its place: `schema_shares` estimates it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_object
from stepiq.language.places import Path
from stepiq.language.schemas.shares import (
    ITEM,
    NAME,
    OTHER_FIELD,
    WHOLE,
    Inward,
    Part,
    Place,
    Share,
    name_share,
    own_share,
    shares_of,
    strong_groups,
)
from stepiq.language.schemas.suggestions import stray_name

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_WEIGHT = 10_000
_MAX_REFERENCE_DEPTH = 100
_MAX_PARTS = 20_000

_ONE_IN_PLACE = ("not", "if", "then", "else")
_LIST_IN_PLACE = ("allOf", "anyOf", "oneOf")
_MAP_IN_PLACE = ("dependentSchemas", "dependencies")
_MAPS = (*_MAP_IN_PLACE, "properties", "patternProperties", "$defs", "definitions")
"""Keywords whose values map names to schemas."""
_DATA = ("const", "enum", "default", "examples")
"""Keywords whose values are data, not schemas."""
_LEFT_OVER = ("unevaluatedProperties", "unevaluatedItems")
_REST_OF_FIELDS = ("additionalProperties", "unevaluatedProperties")
_REST_OF_ITEMS = ("items", "unevaluatedItems")
_NO_PATH = "`$ref` must be a path in this schema, as in `#/$defs/address`."
_SAFE = "!$&'()*+,;=:@/?"
"""Characters of a URI's fragment that are not percent-encoded, besides letters, digits and `-._~`."""
_FRAGMENT = re.compile(rf"(?:[A-Za-z0-9._~{_SAFE}-]|%[0-9A-Fa-f]{{2}})*")


class SchemaProblem(Exception):
    """A schema cannot be used, with the path of the problem and a message."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class SchemaCost:
    """The cost of a schema."""

    weight: int
    """Most parts evaluated for one value."""
    patterns: int
    """Regular expressions to compile."""
    whole: Share
    """For the whole value."""
    fields: Mapping[str, Share]
    """For the values of fields that the schema names."""
    other_field: Share
    """For the values of other fields."""
    item: Share
    """For the items of lists."""
    name: Share
    """For the names of fields."""
    has_choices: bool
    """Whether one error can contain those of several parts (`anyOf`, `oneOf`)."""


class _Ways:
    """Steps of which no two can reach the same inner value."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], Inward] = {}
        self._rest: dict[str, Inward] = {}

    def steps(self) -> Iterator[Inward]:
        yield from self._named.values()
        yield from self._rest.values()

    def add(self, step: Inward, path: Path) -> None:
        rest = self._rest.get(step.kind)
        if step.name is None:
            named = (name for kind, name in self._named if kind == step.kind)
            clashes = rest is not None or any(name not in step.excluded for name in named)
            self._rest[step.kind] = step
        else:
            key = (step.kind, step.name)
            clashes = key in self._named or (rest is not None and step.name not in rest.excluded)
            self._named[key] = step
        if clashes:
            raise SchemaProblem(
                path,
                "This part of the schema refers to itself in more than one way for the same value. Simplify it.",
            )


def measure(document: dict[str, Json], *, max_patterns: int) -> SchemaCost:
    """Measure a schema.

    Raises:
        SchemaProblem: the schema refers to something outside itself, is not supported, is too expensive, or has more
            patterns than `max_patterns`.
    """
    graph = _Graph(document)
    graph.build(max_patterns)
    graph.refuse_endless()
    weight = graph.weigh()
    graph.refuse_doubling()
    shares = graph.shares()
    rest = shares.pop(OTHER_FIELD, Share())
    return SchemaCost(
        weight=weight,
        patterns=graph.patterns,
        whole=shares.pop(WHOLE),
        item=shares.pop(ITEM, Share()),
        name=shares.pop(NAME, Share()),
        other_field=rest,
        fields={str(name): share.plus(rest) for (_, name), share in shares.items()},
        has_choices=graph.has_choices,
    )


class _Graph:
    """The parts of one schema, by the `id()` of their data."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._document = document
        self._parts: dict[int, Part] = {}
        self._group: dict[int, int] = {}
        self.patterns = 0
        self.has_choices = False

    def build(self, max_patterns: int) -> None:
        _refuse_foreign(self._document, ())
        length = len(dumps(self._document))
        waiting: list[tuple[dict[str, Json], Path]] = [(self._document, ())]
        while waiting:
            node, path = waiting.pop()
            if id(node) in self._parts:
                continue
            if len(self._parts) == _MAX_PARTS:
                raise SchemaProblem((), "This schema has too many parts. Simplify it.")
            # A part may also be data, if a reference leads to it.
            _refuse_keywords(node, path)
            self._count_patterns(node, max_patterns)
            if stray := stray_name(node, is_whole=not path):
                raise SchemaProblem((*path, stray[0]), stray[1])
            part = self._parts[id(node)] = Part(path)
            options = node.get("enum")
            part.own_weight += len(options) // 10 if is_array(options) else 0
            part.own_share, part.name_share = own_share(node, length), name_share(node)
            part.looks_again = any(
                is_object(node.get(k)) or node.get(k) is False for k in _LEFT_OVER
            )
            self.has_choices |= "anyOf" in node or "oneOf" in node
            for child, child_path, step in self._children(node, path):
                if not is_object(child):
                    continue
                waiting.append((child, child_path))
                if step is None:
                    part.in_place.append(id(child))
                else:
                    part.below.append((step, id(child)))

    def weigh(self) -> int:
        """The number of parts evaluated for one value, with references resolved; recursion counts once."""
        return self._weigh(id(self._document), {}, set())[0]

    def _weigh(
        self, node: int, weights: dict[int, tuple[int, int]], active: set[int]
    ) -> tuple[int, int]:
        """The weight of a part, and that of validating with its parts again to find what is not evaluated."""
        if node in weights or node in active:
            return weights.get(node, (1, 1))
        part = self._parts[node]
        if len(active) > _MAX_REFERENCE_DEPTH:
            raise SchemaProblem(
                part.path, "The references are nested too deeply here. Simplify the schema."
            )
        active.add(node)
        weight, again = part.own_weight, 0
        for child in part.in_place:
            found = self._weigh(child, weights, active)
            weight += found[0]
            again += sum(found)
        for step, child in part.below:
            found = self._weigh(child, weights, active)
            weight += found[0]
            again += found[0] if step.is_repeated else 0
        active.remove(node)
        weight += again if part.looks_again else 0
        if weight > MAX_WEIGHT:
            raise SchemaProblem(
                part.path, "This part of the schema is too expensive to check. Simplify it."
            )
        weights[node] = weight, again
        return weight, again

    def shares(self) -> dict[Place, Share]:
        """The most work for a value at each place."""
        return shares_of(self._parts, self._group, id(self._document))

    def refuse_endless(self) -> None:
        """Refuse parts that refer to themselves for the same value."""
        group = strong_groups({node: part.in_place for node, part in self._parts.items()})
        sizes = Counter(group.values())
        for node, part in self._parts.items():
            if node in part.in_place or sizes[group[node]] > 1:
                raise SchemaProblem(
                    part.path,
                    "This part of the schema refers to itself endlessly. Remove the reference.",
                )

    def refuse_doubling(self) -> None:
        """Refuse recursion that validates one inner value twice."""
        self._group = group = strong_groups({n: p.targets for n, p in self._parts.items()})
        sizes = Counter(group.values())
        ways: dict[int, _Ways] = {}
        for node, part in self._parts.items():
            # Without a cycle, the weight limits how often a value is validated.
            if sizes[group[node]] > 1 or any(child == node for _, child in part.below):
                self._ways(node, group, ways)

    def _ways(self, node: int, group: dict[int, int], ways: dict[int, _Ways]) -> _Ways:
        """The steps from a part into its value that stay in its group, including those of parts for the same value."""
        if node in ways:
            return ways[node]
        part = self._parts[node]
        found = _Ways()
        for step, child in part.below:
            if group[child] == group[node]:
                found.add(step, part.path)
        for child in part.in_place:
            if group[child] == group[node]:
                for step in self._ways(child, group, ways).steps():
                    found.add(step, part.path)
        ways[node] = found
        return found

    def _count_patterns(self, node: dict[str, Json], max_patterns: int) -> None:
        self.patterns += len(_map(node, "patternProperties")) + ("pattern" in node)
        if self.patterns > max_patterns:
            raise SchemaProblem(
                (), "The schemas of this definition contain too many patterns. Remove some."
            )

    def _children(
        self, node: dict[str, Json], path: Path
    ) -> Iterator[tuple[Json, Path, Inward | None]]:
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield *self._resolve(reference, (*path, "$ref")), None
        for key in _ONE_IN_PLACE:
            if key in node:
                yield node[key], (*path, key), None
        for key in _LIST_IN_PLACE:
            for index, item in enumerate(_list(node, key)):
                yield item, (*path, key, index), None
        for key in _MAP_IN_PLACE:
            for name, item in _map(node, key).items():
                yield item, (*path, key, name), None
        yield from _children_below(node, path)

    def _resolve(self, reference: str, path: Path) -> tuple[Json, Path]:
        """The target of a reference, and its path."""
        target: Json = self._document
        found: Path = ()
        absent = f"`{reference[:60]}` does not refer to a part of this schema."
        if not reference.startswith("#/") and reference != "#":
            raise SchemaProblem(path, _NO_PATH)
        try:
            pointer = unquote(reference[1:], errors="strict")
        except UnicodeDecodeError:
            raise SchemaProblem(path, absent) from None
        if _FRAGMENT.fullmatch(reference[1:]) is None:
            message = f"`$ref` is not a valid URI. Write `#{quote(pointer, _SAFE)}`."
            raise SchemaProblem(path, message)
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if is_object(target):
                # `$id` and `$schema` also change the meaning of the parts inside.
                _refuse_keywords(target, found)
            if is_array(target) and re.fullmatch("[0-9]{1,6}", name):
                target = target[int(name)] if int(name) < len(target) else None
                found = (*found, int(name))
            else:
                target = target.get(name) if is_object(target) else None
                found = (*found, name)
        if not is_object(target) and not isinstance(target, bool):
            raise SchemaProblem(path, absent)
        return target, found


def _refuse_foreign(node: Json, path: Path, *, is_map: bool = False) -> None:
    """Refuse keywords in all parts, including those that nothing refers to.

    Args:
        node: the part.
        path: its path.
        is_map: whether it maps names to schemas, instead of being a schema.
    """
    if is_array(node):
        for index, item in enumerate(node):
            _refuse_foreign(item, (*path, index))
    if not is_object(node):
        return
    _refuse_keywords(node, path)
    for key, value in node.items():
        if is_map or key not in _DATA:
            _refuse_foreign(value, (*path, key), is_map=key in _MAPS and not is_map)


def _refuse_keywords(node: dict[str, Json], path: Path) -> None:
    for key, value in node.items():
        if isinstance(value, str):
            _refuse_keyword(key, value, (*path, key))


def _refuse_keyword(key: str, value: str, path: Path) -> None:
    match key:
        case "$ref" if not value.startswith("#"):
            raise SchemaProblem(path, _NO_PATH)
        case "$dynamicRef" | "$recursiveRef":
            raise SchemaProblem(path, f"`{key}` is not supported. Use `$ref`.")
        case "$id" if len(path) > 1:
            raise SchemaProblem(path, "`$id` is only allowed at the top of a schema. Remove it.")
        case "$schema" if value.rstrip("#") != DIALECT:
            raise SchemaProblem(path, f"Only JSON Schema 2020-12 is supported. Write `{DIALECT}`.")
        case _:
            pass


def _children_below(node: dict[str, Json], path: Path) -> Iterator[tuple[Json, Path, Inward]]:
    fields = _map(node, "properties")
    for name, item in fields.items():
        yield item, (*path, "properties", name), Inward("field", name)
    for name, item in _map(node, "patternProperties").items():
        yield item, (*path, "patternProperties", name), Inward("field", None)
    for key in _REST_OF_FIELDS:
        if key in node:
            step = Inward("field", None, frozenset(fields), is_repeated=key in _LEFT_OVER)
            yield node[key], (*path, key), step
    first = _list(node, "prefixItems")
    for index, item in enumerate(first):
        yield item, (*path, "prefixItems", index), Inward("item", str(index))
    rest = frozenset(map(str, range(len(first))))
    for key in _REST_OF_ITEMS:
        if key in node:
            step = Inward("item", None, rest, is_repeated=key in _LEFT_OVER)
            yield node[key], (*path, key), step
    if "contains" in node:
        yield node["contains"], (*path, "contains"), Inward("item", None, is_repeated=True)
    if "propertyNames" in node:
        yield node["propertyNames"], (*path, "propertyNames"), Inward("name", None)


def _map(node: dict[str, Json], key: str) -> dict[str, Json]:
    value = node.get(key)
    return value if is_object(value) else {}


def _list(node: dict[str, Json], key: str) -> list[Json]:
    value = node.get(key)
    return value if is_array(value) else []
