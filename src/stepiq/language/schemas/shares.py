"""The most work of a schema for a value at each place, such as a field of one name, without the values inside it.

The work is in units of about 10 ns, measured with the worst values found. Comparing numbers that are not whole takes a
hundred times as long as comparing texts, because the library compares them exactly.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_number, is_object
from stepiq.language.patterns import PatternSyntaxError, compile_regex
from stepiq.language.places import Path

_CHECK = 3
_LOOK_UP = 2
_COMPARE_NUMBER = 25
_EQUAL_NUMBER = 250
_EQUAL_INTEGER = 15
_DIVIDE = 450
_LONG_LIMIT = 10
_EQUAL_INNER = 50
_LARGEST_PATTERN = 10_000
"""Instructions of a pattern whose size is unknown, because RE2 does not support its syntax."""
_LONGEST_DIGITS = 18
_BYTES_OF_CHARACTER = 4
_CLASS = re.compile(
    r"(\[\^?\]?(?:\\.|[^\]\\])*(?:\]|\\?\Z)|\\[pP](?:\{[^}]{0,50}\}|.)|\\[dDsSwW])|\\.", re.DOTALL
)
"""A class of characters, or another escape. It also matches a class without an end, so that it takes linear time."""
_HAS_COMMENTS = re.compile(r"\(\?[a-zA-Z-]*x")
_CODE_POINT = re.compile(r"\\u([0-9a-fA-F]{4})")
"""A character in the syntax of JSON Schema, which RE2 writes as `\\x{…}`."""

_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_DEPENDENT = ("dependentRequired", "dependencies")
_BY_NAME = ("properties", "dependentSchemas", *_DEPENDENT)
_REPEATED = ("const", "enum", "pattern", "required")
"""Keywords whose values are parts of errors, besides lists of names in those of `_DEPENDENT`."""


@dataclass(frozen=True, slots=True)
class Inward:
    """The step from a value to one inside it."""

    kind: str
    """`field`, `item` or `name`."""
    name: str | None
    """None for any name or index."""
    excluded: frozenset[str] = frozenset()
    """Names that another part validates instead."""
    is_repeated: bool = False
    """Whether it is taken again to find what has not been evaluated."""


class Share(NamedTuple):
    """The most work for a value at one place."""

    errors: int = 0
    """Keywords that are evaluated, and most errors."""
    text: int = 0
    """Characters of the schema that the errors repeat."""
    any_value: int = 0
    """Units for any value."""
    pattern: int = 0
    """Units for each byte of a text."""
    integer: int = 0
    """Units for an integer."""
    fraction: int = 0
    """Units for another number."""
    container: int = 0
    """Units for a list or an object."""
    unique: int = 0
    """How often the items of a list are compared with each other."""

    def plus(self, other: "Share", times: int = 1) -> "Share":
        """The sum, with the other share counted several times."""
        return Share(*(mine + its * times for mine, its in zip(self, other, strict=True)))


@dataclass(slots=True)
class Part:
    """One schema inside the document."""

    path: Path
    in_place: list[int] = field(default_factory=list[int])
    below: list[tuple[Inward, int]] = field(default_factory=list["tuple[Inward, int]"])
    own_weight: int = 1
    own_share: Share = Share()
    name_share: Share = Share()
    """For each name of the fields of the value."""
    looks_again: bool = False
    """Whether it validates with its parts in place, and those of repeated steps, again to find what they have not
    evaluated."""

    @property
    def targets(self) -> list[int]:
        """The parts that it refers to."""
        return [*self.in_place, *(child for _, child in self.below)]


Place = tuple[str, str | None]
"""Values that the same parts may validate: a kind of step, and the name of a field."""
WHOLE: Place = ("whole", None)
OTHER_FIELD: Place = ("field", None)
ITEM: Place = ("item", None)
NAME: Place = ("name", None)


def own_share(node: dict[str, Json], document_length: int) -> Share:
    """The share of a part, without those of the parts in it."""
    options = [*_items(node.get("enum")), *([node["const"]] if "const" in node else [])]
    dependent = [_lists(found) for key in _DEPENDENT if is_object(found := node.get(key))]
    names = len(_items(node.get("required")))
    names += sum(len(_items(each)) for lists in dependent for each in lists.values())
    repeated = [node[key] for key in _REPEATED if key in node]
    errors = len(node) + names + len(options) // 10
    limits = [node[key] for key in _LIMITS if key in node]
    integer, fraction = _of_options(options)
    integer += sum(_COMPARE_NUMBER * _length_of(limit) for limit in limits if not _is_short(limit))
    fraction += sum(_COMPARE_NUMBER * _length_of(limit) for limit in limits)
    if "const" in node:
        integer += _EQUAL_INTEGER
    divisor = node.get("multipleOf")
    if is_number(divisor):
        integer += 0 if _is_short(divisor) else _DIVIDE * _length_of(divisor)
        fraction += _DIVIDE * _length_of(divisor)
    pattern = node.get("pattern")
    return Share(
        errors=errors,
        text=sum(len(dumps(each)) for each in (*repeated, *dependent))
        + (document_length if "not" in node else 0),
        any_value=_CHECK * errors,
        pattern=_size(pattern) if isinstance(pattern, str) else 0,
        integer=integer,
        fraction=fraction,
        container=_LOOK_UP
        * sum(len(found) for key in _BY_NAME if is_object(found := node.get(key)))
        + _EQUAL_INNER * sum(_values_in(each) for each in options if not _is_flat(each)),
        unique=1 if node.get("uniqueItems") is True else 0,
    )


def name_share(node: dict[str, Json]) -> Share:
    """The share of a part for each name of the fields of a value."""
    patterns = node.get("patternProperties")
    return Share(pattern=sum(map(_size, patterns)) if is_object(patterns) else 0)


def _of_options(options: list[Json]) -> tuple[int, int]:
    """Units of comparing an integer, or another number, with each number of a list."""
    integer = fraction = 0
    for option in filter(is_number, options):
        units = _EQUAL_NUMBER * _length_of(option)
        fraction += units
        integer += 0 if _is_short(option) else units
    return integer, fraction


def is_long(number: float) -> bool:
    """Whether comparing a number takes long, because it has many digits when it is written without an exponent."""
    size = abs(number)
    return size >= 10**_LONGEST_DIGITS or (size != 0 and size < 10**-_LONGEST_DIGITS)


def _length_of(limit: Json) -> int:
    return _LONG_LIMIT if is_number(limit) and is_long(limit) else 1


def _is_short(limit: Json) -> bool:
    """Whether comparing an integer with it takes no longer than another check."""
    return is_number(limit) and not is_long(limit) and limit == int(limit)


def _is_flat(value: Json) -> bool:
    return not is_object(value) and not is_array(value)


def _values_in(value: Json) -> int:
    if is_object(value):
        return 1 + sum(map(_values_in, value.values()))
    return 1 + (sum(map(_values_in, value)) if is_array(value) else 0)


def _lists(values: dict[str, Json]) -> dict[str, Json]:
    return {name: each for name, each in values.items() if is_array(each)}


def _items(value: Json) -> list[Json]:
    return value if is_array(value) else []


def _size(pattern: str) -> int:
    """Most instructions of a pattern for one byte of text. One takes up to 10 ns.

    RE2 has about as many instructions as the library's engine. Of a class of characters, which can have a thousand, at
    most four are active: one for each byte of a character.
    """
    pattern = _CODE_POINT.sub(r"\\x{\1}", pattern)
    size = _instructions(pattern)
    if _HAS_COMMENTS.search(pattern):
        # A bracket in a comment begins no class.
        return size
    simple = _CLASS.sub(lambda found: "a" if found[1] else found[0], pattern)
    return min(size, _BYTES_OF_CHARACTER * _instructions(simple))


def _instructions(pattern: str) -> int:
    try:
        return compile_regex(pattern).size
    except PatternSyntaxError:
        return _LARGEST_PATTERN


def shares_of(parts: Mapping[int, Part], group: Mapping[int, int], root: int) -> dict[Place, Share]:
    """The most work for a value at each place.

    Args:
        parts: the parts of a schema.
        group: a number for each part; parts of a cycle have the same.
        root: the whole schema.
    """
    in_place = _in_place(parts)
    times, again = _times(parts, group, root)
    found: defaultdict[Place, Share] = defaultdict(Share)
    found[WHOLE] = in_place[root]
    for node, part in parts.items():
        often = times[group[node]]
        found[NAME] = found[NAME].plus(part.name_share, often)
        for step, child in part.below:
            place = (step.kind, step.name if step.kind == "field" else None)
            repeated = again[group[node]] if step.is_repeated else 0
            found[place] = found[place].plus(in_place[child], often + repeated)
    return dict(found)


def _in_place(parts: Mapping[int, Part]) -> dict[int, Share]:
    """The share of each part, together with those of the parts for the same value."""
    found: dict[int, Share] = {}
    again: dict[int, Share] = {}
    for node in finish_order({node: part.in_place for node, part in parts.items()}):
        share, repeated = parts[node].own_share, Share()
        for child in parts[node].in_place:
            share = share.plus(found[child])
            repeated = repeated.plus(found[child]).plus(again[child])
        found[node] = share.plus(repeated) if parts[node].looks_again else share
        again[node] = repeated
    return found


def _times(
    parts: Mapping[int, Part], group: Mapping[int, int], root: int
) -> tuple[Counter[int], Counter[int]]:
    """How often the parts of each group can validate the same value, and how often they are searched again.

    A part outside of cycles does so once for each path to it. A part of a cycle does so once for each way into the
    cycle, because a cycle that validates a value twice is refused.
    """
    times, again = Counter({group[root]: 1}), Counter[int]()
    for members in _in_order(parts, group):
        number = group[members[0]]
        if any(parts[node].looks_again for node in members):
            again[number] += times[number]
        for node in members:
            for child in parts[node].in_place:
                if group[child] != number:
                    times[group[child]] += times[number] + again[number]
                    again[group[child]] += again[number]
            for step, child in parts[node].below:
                if group[child] != number:
                    times[group[child]] += times[number]
                    times[group[child]] += again[number] if step.is_repeated else 0
    return times, again


def _in_order(parts: Mapping[int, Part], group: Mapping[int, int]) -> Iterator[list[int]]:
    """The parts of each group, before those of the groups that they refer to."""
    members: dict[int, list[int]] = {}
    for node in reversed(finish_order({node: part.targets for node, part in parts.items()})):
        members.setdefault(group[node], []).append(node)
    yield from members.values()


def strong_groups(edges: Mapping[int, list[int]]) -> dict[int, int]:
    """A group number for each node: the strongly connected components, by Kosaraju's algorithm."""
    order = finish_order(edges)
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


def finish_order(edges: Mapping[int, list[int]]) -> list[int]:
    """The nodes in the order in which a search in depth leaves them."""
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
