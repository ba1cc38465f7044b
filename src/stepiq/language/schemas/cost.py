"""Measures a schema before it is compiled, and refuses one that nobody can check.

A schema is a graph: parts that validate the same value (`allOf`, `$ref`), and parts that validate a value inside it
(`properties`, `items`). Without recursion, the number of paths through the graph limits the work for each value. Parts
with `unevaluatedProperties` or `unevaluatedItems` validate with their parts in place again, and with those of `contains`
and of these two keywords. So nesting them doubles the work.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from urllib.parse import quote, unquote

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_object
from stepiq.language.patterns import PatternSyntaxError, compile_regex
from stepiq.language.places import Path
from stepiq.language.schemas.suggestions import stray_name
from stepiq.language.schemas.work import SchemaCost, ValidationMeter, size_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAX_WEIGHT = 10_000
"""Most parts evaluated for one value."""
_MAX_REFERENCE_DEPTH = 100
_MAX_PARTS = 20_000
_CHECK = 3
_UNIQUE = 100
"""Hashing an item, or comparing it with each other of a short list."""
_LARGEST_PATTERN = 10_000
"""Instructions of a pattern whose size is unknown, because RE2 does not support its syntax."""
_BYTES_PER_UNIT = 100
"""The library copies texts into errors at this rate."""

_ONE_IN_PLACE = ("not", "if", "then", "else")
_LIST_IN_PLACE = ("allOf", "anyOf", "oneOf")
_MAP_IN_PLACE = ("dependentSchemas", "dependencies")
_MAPS = (*_MAP_IN_PLACE, "properties", "patternProperties", "$defs", "definitions")
"""Keywords whose values map names to schemas."""
_DATA = ("const", "enum", "default", "examples")
"""Keywords whose values are data, not schemas."""
_LEFT_OVER = ("unevaluatedProperties", "unevaluatedItems")
_BY_NAME = ("properties", "dependentSchemas", "dependencies")
_COMPARED = (
    "const", "enum", "required", "dependentRequired", "dependencies", "multipleOf",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
)  # fmt: skip
"""Keywords whose values take longer to compare if they are larger."""
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


@dataclass(slots=True)
class SchemaPart:
    """One schema inside the document."""

    path: Path
    weight: int
    units: int
    """Work for each value, without that of the parts in it."""
    pattern_size: int
    """Work for each byte of a text."""
    in_place: list[int] = field(default_factory=list[int])
    below: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    """Parts for the values inside the value, and whether they validate again to find what has not been evaluated."""
    looks_again: bool = False
    """Whether it validates with its parts in place, and some of those below, again to find what they have not
    evaluated."""


def measure(document: dict[str, Json], *, max_patterns: int) -> SchemaCost:
    """Measure a schema.

    Raises:
        SchemaProblem: the schema refers to something outside itself, is not supported, is too expensive, or has more
            patterns than `max_patterns`.
    """
    graph = _Graph(document)
    graph.build(max_patterns)
    graph.refuse_endless()
    parts = graph.parts.items()
    graph.expanded({node: part.weight for node, part in parts}, _MAX_WEIGHT)
    per_value = graph.expanded({node: part.units for node, part in parts})
    pattern_size = graph.expanded({node: part.pattern_size for node, part in parts})
    return SchemaCost(
        per_value=per_value,
        per_byte=pattern_size + per_value / _BYTES_PER_UNIT,
        is_recursive=graph.is_recursive,
        patterns=graph.patterns,
    )


class _Graph:
    """The parts of one schema, by the `id()` of their data."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._document = document
        self.parts: dict[int, SchemaPart] = {}
        self.patterns = 0
        self.is_recursive = False

    def build(self, max_patterns: int) -> None:
        _refuse_foreign(self._document, ())
        length = len(dumps(self._document))
        waiting: list[tuple[dict[str, Json], Path]] = [(self._document, ())]
        while waiting:
            node, path = waiting.pop()
            if id(node) in self.parts:
                continue
            if len(self.parts) == _MAX_PARTS:
                raise SchemaProblem((), "This schema has too many parts. Simplify it.")
            # A part may also be data, if a reference leads to it.
            _refuse_keywords(node, path)
            self._count_patterns(node, max_patterns)
            if stray := stray_name(node, is_whole=not path):
                raise SchemaProblem((*path, stray[0]), stray[1])
            part = self.parts[id(node)] = _part(node, path, length)
            for child, child_path, is_in_place, is_repeated in self._children(node, path):
                if not is_object(child):
                    continue
                waiting.append((child, child_path))
                if is_in_place:
                    part.in_place.append(id(child))
                else:
                    part.below.append((id(child), is_repeated))

    def expanded(self, own: Mapping[int, int], limit: float = math.inf) -> int:
        """The sum of a number of each part, with references resolved; recursion counts once.

        Raises:
            SchemaProblem: it exceeds the limit.
        """
        return self._expand(id(self._document), own, limit, {}, set())[0]

    def _expand(
        self,
        node: int,
        own: Mapping[int, int],
        limit: float,
        known: dict[int, tuple[int, int]],
        active: set[int],
    ) -> tuple[int, int]:
        """The sum of a part, and that of validating with its parts again to find what is not evaluated."""
        if node in active:
            self.is_recursive = True
            return own[node], own[node]
        if node in known:
            return known[node]
        part = self.parts[node]
        if len(active) > _MAX_REFERENCE_DEPTH:
            raise SchemaProblem(
                part.path, "The references are nested too deeply here. Simplify the schema."
            )
        active.add(node)
        total, again = own[node], 0
        for child in part.in_place:
            found = self._expand(child, own, limit, known, active)
            total += found[0]
            again += sum(found)
        for child, is_repeated in part.below:
            found = self._expand(child, own, limit, known, active)
            total += found[0]
            again += found[0] if is_repeated else 0
        active.remove(node)
        total += again if part.looks_again else 0
        if total > limit:
            raise SchemaProblem(
                part.path, "This part of the schema is too expensive to check. Simplify it."
            )
        known[node] = total, again
        return total, again

    def refuse_endless(self) -> None:
        """Refuse parts that refer to themselves for the same value."""
        edges = {node: part.in_place for node, part in self.parts.items()}
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            path = min((self.parts[node].path for node in error.args[1]), key=len)
            raise SchemaProblem(
                path, "This part of the schema refers to itself endlessly. Remove the reference."
            ) from None

    def _count_patterns(self, node: dict[str, Json], max_patterns: int) -> None:
        self.patterns += len(_map(node, "patternProperties")) + ("pattern" in node)
        if self.patterns > max_patterns:
            raise SchemaProblem(
                (), "The schemas of this definition contain too many patterns. Remove some."
            )

    def _children(
        self, node: dict[str, Json], path: Path
    ) -> Iterator[tuple[Json, Path, bool, bool]]:
        """Parts, each with its path, whether it validates the same value, and whether it does so again."""
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield *self._resolve(reference, (*path, "$ref")), True, False
        for key in _ONE_IN_PLACE:
            if key in node:
                yield node[key], (*path, key), True, False
        for key in _LIST_IN_PLACE:
            for index, item in enumerate(_list(node, key)):
                yield item, (*path, key, index), True, False
        for key in _MAP_IN_PLACE:
            for name, item in _map(node, key).items():
                yield item, (*path, key, name), True, False
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


def _children_below(node: dict[str, Json], path: Path) -> Iterator[tuple[Json, Path, bool, bool]]:
    for key in ("properties", "patternProperties"):
        for name, item in _map(node, key).items():
            yield item, (*path, key, name), False, False
    for index, item in enumerate(_list(node, "prefixItems")):
        yield item, (*path, "prefixItems", index), False, False
    for key in ("additionalProperties", "items", "propertyNames", "contains", *_LEFT_OVER):
        if key in node:
            yield node[key], (*path, key), False, key in ("contains", *_LEFT_OVER)


def _part(node: dict[str, Json], path: Path, document_length: int) -> SchemaPart:
    options = node.get("enum")
    checked = [node[key] for key in _COMPARED if key in node]
    names = sum(len(_map(node, key)) for key in _BY_NAME)
    values, size = size_of(checked, ValidationMeter())
    # An error repeats what the value was compared with, and that of `not` repeats the whole schema.
    size += document_length if "not" in node else 0
    patterns = [*_map(node, "patternProperties"), *([node["pattern"]] if "pattern" in node else [])]
    return SchemaPart(
        path,
        weight=1 + (len(options) // 10 if is_array(options) else 0),
        units=_CHECK * (1 + len(node) + names + values)
        + (_UNIQUE if node.get("uniqueItems") is True else 0)
        + size // _BYTES_PER_UNIT,
        pattern_size=sum(map(_instructions, patterns)),
        looks_again=any(is_object(node.get(k)) or node.get(k) is False for k in _LEFT_OVER),
    )


def _instructions(pattern: Json) -> int:
    try:
        return compile_regex(str(pattern)).size
    except PatternSyntaxError:
        return _LARGEST_PATTERN


def _map(node: dict[str, Json], key: str) -> dict[str, Json]:
    value = node.get(key)
    return value if is_object(value) else {}


def _list(node: dict[str, Json], key: str) -> list[Json]:
    value = node.get(key)
    return value if is_array(value) else []
