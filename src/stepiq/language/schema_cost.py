"""Estimates the work of validating with a schema before it is compiled.

A schema is a graph: parts that validate the same value (`allOf`, `$ref`), and parts that validate a value inside it
(`properties`, `items`). Without recursion, the number of paths through the graph limits the work for each value.
With recursion, the work grows with the depth of the value, and doubles at every level if a cycle validates one inner
value twice; such schemas are refused.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.places import Path
from stepiq.language.schema_words import stray_name

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_WEIGHT = 10_000
_MAX_REFERENCE_DEPTH = 100
_MAX_PARTS = 20_000

_ONE_IN_PLACE = ("not", "if", "then", "else")
_LIST_IN_PLACE = ("allOf", "anyOf", "oneOf")
_REST_OF_FIELDS = ("additionalProperties", "unevaluatedProperties")
_REST_OF_ITEMS = ("items", "unevaluatedItems")


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


@dataclass(frozen=True, slots=True)
class _Step:
    """The step from a value to one inside it."""

    kind: str
    """`field`, `item` or `name`."""
    name: str | None
    """None for any name or index."""
    excluded: frozenset[str] = frozenset()
    """Names that another part validates instead."""


class _Ways:
    """Steps of which no two can reach the same inner value."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], _Step] = {}
        self._rest: dict[str, _Step] = {}

    def steps(self) -> Iterator[_Step]:
        yield from self._named.values()
        yield from self._rest.values()

    def add(self, step: _Step, path: Path) -> None:
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


@dataclass(slots=True)
class _Part:
    """One schema inside the document."""

    path: Path
    in_place: list[int] = field(default_factory=list[int])
    below: list[tuple[_Step, int]] = field(default_factory=list["tuple[_Step, int]"])
    own_weight: int = 1


def measure(document: dict[str, Json]) -> SchemaCost:
    """Measure a schema.

    Raises:
        SchemaProblem: the schema refers to something outside itself, is not supported, or is too expensive.
    """
    graph = _Graph(document)
    graph.build()
    graph.refuse_endless()
    weight = graph.weigh()
    graph.refuse_doubling()
    return SchemaCost(weight, graph.patterns)


class _Graph:
    """The parts of one schema, by the `id()` of their data."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._document = document
        self._parts: dict[int, _Part] = {}
        self.patterns = 0

    def build(self) -> None:
        self._refuse_foreign(self._document, ())
        waiting: list[tuple[dict[str, Json], Path]] = [(self._document, ())]
        while waiting:
            node, path = waiting.pop()
            if id(node) in self._parts:
                continue
            if len(self._parts) == _MAX_PARTS:
                raise SchemaProblem((), "This schema has too many parts. Simplify it.")
            if stray := stray_name(node, is_whole=not path):
                raise SchemaProblem((*path, stray[0]), stray[1])
            part = self._parts[id(node)] = _Part(path)
            options = node.get("enum")
            part.own_weight += len(options) // 10 if is_array(options) else 0
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
        return self._weigh(id(self._document), {}, set())

    def _weigh(self, node: int, weights: dict[int, int], active: set[int]) -> int:
        if node in weights or node in active:
            return weights.get(node, 1)
        part = self._parts[node]
        if len(active) > _MAX_REFERENCE_DEPTH:
            raise SchemaProblem(
                part.path, "The references are nested too deeply here. Simplify the schema."
            )
        active.add(node)
        weight = part.own_weight
        for child in (*part.in_place, *(child for _, child in part.below)):
            weight += self._weigh(child, weights, active)
        active.remove(node)
        if weight > MAX_WEIGHT:
            raise SchemaProblem(
                part.path, "This part of the schema is too expensive to check. Simplify it."
            )
        weights[node] = weight
        return weight

    def refuse_endless(self) -> None:
        """Refuse parts that refer to themselves for the same value."""
        group = _strong_groups({node: part.in_place for node, part in self._parts.items()})
        sizes = Counter(group.values())
        for node, part in self._parts.items():
            if node in part.in_place or sizes[group[node]] > 1:
                raise SchemaProblem(
                    part.path,
                    "This part of the schema refers to itself endlessly. Remove the reference.",
                )

    def refuse_doubling(self) -> None:
        """Refuse recursion that validates one inner value twice."""
        group = _strong_groups(
            {node: [*p.in_place, *(c for _, c in p.below)] for node, p in self._parts.items()}
        )
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

    def _refuse_foreign(self, node: Json, path: Path) -> None:
        if is_array(node):
            for index, item in enumerate(node):
                self._refuse_foreign(item, (*path, index))
        if not is_object(node):
            return
        for key, value in node.items():
            if key in ("pattern", "patternProperties"):
                self.patterns += len(value) if is_object(value) else 1
            if isinstance(value, str):
                _refuse_keyword(key, value, (*path, key))
            elif key not in ("const", "enum", "default", "examples"):
                self._refuse_foreign(value, (*path, key))

    def _children(
        self, node: dict[str, Json], path: Path
    ) -> Iterator[tuple[Json, Path, _Step | None]]:
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield *self._resolve(reference, (*path, "$ref")), None
        for key in _ONE_IN_PLACE:
            if key in node:
                yield node[key], (*path, key), None
        for key in _LIST_IN_PLACE:
            for index, item in enumerate(_list(node, key)):
                yield item, (*path, key, index), None
        for name, item in _map(node, "dependentSchemas").items():
            yield item, (*path, "dependentSchemas", name), None
        yield from _children_below(node, path)

    def _resolve(self, reference: str, path: Path) -> tuple[Json, Path]:
        """The target of a reference, and its path."""
        target: Json = self._document
        found: Path = ()
        pointer = unquote(reference[1:])
        if pointer and not pointer.startswith("/"):
            raise SchemaProblem(
                path, "`$ref` must be a path in this schema, as in `#/$defs/address`."
            )
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if is_array(target) and re.fullmatch("[0-9]{1,6}", name):
                target = target[int(name)] if int(name) < len(target) else None
                found = (*found, int(name))
            else:
                target = target.get(name) if is_object(target) else None
                found = (*found, name)
        if not is_object(target) and not isinstance(target, bool):
            raise SchemaProblem(
                path, f"`{reference[:60]}` does not refer to a part of this schema."
            )
        return target, found


def _refuse_keyword(key: str, value: str, path: Path) -> None:
    match key:
        case "$ref" if not value.startswith("#"):
            raise SchemaProblem(
                path, "`$ref` must be a path in this schema, as in `#/$defs/address`."
            )
        case "$dynamicRef" | "$recursiveRef":
            raise SchemaProblem(path, f"`{key}` is not supported. Use `$ref`.")
        case "$id" if len(path) > 1:
            raise SchemaProblem(path, "`$id` is only allowed at the top of a schema. Remove it.")
        case "$schema" if value.rstrip("#") != DIALECT:
            raise SchemaProblem(path, f"Only JSON Schema 2020-12 is supported. Write `{DIALECT}`.")
        case _:
            pass


def _children_below(node: dict[str, Json], path: Path) -> Iterator[tuple[Json, Path, _Step]]:
    fields = _map(node, "properties")
    for name, item in fields.items():
        yield item, (*path, "properties", name), _Step("field", name)
    for name, item in _map(node, "patternProperties").items():
        yield item, (*path, "patternProperties", name), _Step("field", None)
    for key in _REST_OF_FIELDS:
        if key in node:
            yield node[key], (*path, key), _Step("field", None, frozenset(fields))
    first = _list(node, "prefixItems")
    for index, item in enumerate(first):
        yield item, (*path, "prefixItems", index), _Step("item", str(index))
    for key in _REST_OF_ITEMS:
        if key in node:
            yield (
                node[key],
                (*path, key),
                _Step("item", None, frozenset(map(str, range(len(first))))),
            )
    if "contains" in node:
        yield node["contains"], (*path, "contains"), _Step("item", None)
    if "propertyNames" in node:
        yield node["propertyNames"], (*path, "propertyNames"), _Step("name", None)


def _map(node: dict[str, Json], key: str) -> dict[str, Json]:
    value = node.get(key)
    return value if is_object(value) else {}


def _list(node: dict[str, Json], key: str) -> list[Json]:
    value = node.get(key)
    return value if is_array(value) else []


def _strong_groups(edges: dict[int, list[int]]) -> dict[int, int]:
    """A group number for each node: the strongly connected components, by Kosaraju's algorithm."""
    order = _finish_order(edges)
    backwards: dict[int, list[int]] = {node: [] for node in edges}
    for node, targets in edges.items():
        for target in targets:
            backwards[target].append(node)
    group: dict[int, int] = {}
    for node in reversed(order):
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if current not in group:
                group[current] = node
                waiting.extend(backwards[current])
    return group


def _finish_order(edges: dict[int, list[int]]) -> list[int]:
    order: list[int] = []
    seen: set[int] = set()
    for start in edges:
        waiting = [(start, False)]
        while waiting:
            node, is_done = waiting.pop()
            if is_done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                waiting.append((node, True))
                waiting.extend((target, False) for target in edges[node])
    return order
