"""The nodes of an expression, after parsing by CEL and reconstruction of the macros."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.json import dumps
from stepiq.language.expressions.values import TYPES, PlaceholderIndex, Value
from stepiq.language.templates.nodes import Reference

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INDEX = "_[_]"
OPTIONAL_MEMBER = "_?._"
OPTIONAL_INDEX = "_[?_]"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the expression."""

    value: Value


@dataclass(frozen=True, slots=True)
class Identifier:
    """A word: a root such as `input`, a variable of a macro, or a type."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Member:
    """`a.b`, or `has(a.b)`."""

    operand: "Node"
    name: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function or an operator, by CEL's name for it, such as `size` or `_+_`."""

    function: str
    arguments: tuple["Node", ...]
    """For a method, the receiver comes first."""
    offset: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, ?b]`."""

    items: tuple["Node", ...]
    optional: frozenset[int]
    """Indexes of the items that are omitted if they are empty optionals."""


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One `key: value`."""

    key: "Node"
    value: "Node"
    is_optional: bool


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{a: b, ?c: d}`."""

    entries: tuple[MapEntry, ...]


class FoldKind(StrEnum):
    """The macros."""

    ALL = "all"
    EXISTS = "exists"
    EXISTS_ONE = "exists_one"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Fold:
    """A macro that iterates over a list, or over the keys of a map."""

    kind: FoldKind
    variable: str
    over: "Node"
    test: "Node | None"
    """The condition for an item; None for a `map` without one."""
    body: "Node | None"
    """The result of `map` and `filter` for an item; None for the others."""


Node = Constant | Identifier | Member | FunctionCall | ListOf | MapOf | Fold
Part = str | int
"""One segment of a path: the name of a field, or an index."""


def children(node: Node) -> Iterator[Node]:
    """The direct children of a node."""
    match node:
        case Member():
            yield node.operand
        case FunctionCall():
            yield from node.arguments
        case ListOf():
            yield from node.items
        case MapOf():
            for entry in node.entries:
                yield entry.key
                yield entry.value
        case Fold():
            yield node.over
            yield from (part for part in (node.test, node.body) if part is not None)
        case _:  # a literal or a name
            pass


def weigh(node: Node | None) -> int:
    """The number of nodes in a tree, including the root."""
    count, waiting = 0, [node]
    while waiting:
        current = waiting.pop()
        if current is not None:
            count += 1
            waiting.extend(children(current))
    return count


def literal_key(node: Node) -> Part | None:
    """The literal name or index in square brackets; None if it is computed."""
    if isinstance(node, Constant) and type(node.value) in (str, int, PlaceholderIndex):
        return node.value
    return None


def path_of(node: Node) -> tuple[Identifier, tuple[Part, ...]] | None:
    """The name and the segments of `a.b[0]["c d"]`; None for everything else."""
    parts: list[Part] = []
    while not isinstance(node, Identifier):
        if isinstance(node, Member) and not node.is_test:
            parts.append(node.name)
            node = node.operand
        elif isinstance(node, FunctionCall) and node.function == INDEX:
            key = literal_key(node.arguments[1])
            if key is None:
                return None
            parts.append(key)
            node = node.arguments[0]
        else:
            return None
    return node, tuple(reversed(parts))


def write_path(root: str, parts: tuple[Part, ...]) -> str:
    """A path as it is written in an expression.

    It begins with `{{…}}` if a number may be an index or the name of a field.
    """
    text = root
    for end in range(len(parts), 0, -1):
        if type(parts[end - 1]) is PlaceholderIndex:
            text = f"{{{{{'.'.join([root, *map(_in_placeholder, parts[:end])])}}}}}"
            parts = parts[end:]
            break
    for part in parts:
        if isinstance(part, str) and _PLAIN_NAME.fullmatch(part):
            text += f".{part}"
        else:
            text += f"[{dumps(part)}]"
    return text


def _in_placeholder(part: Part) -> str:
    is_plain = isinstance(part, int) or (_PLAIN_NAME.fullmatch(part) and part != "this")
    return str(part) if is_plain else f"[{part}]"


ROOTS = ("input", "vars", "variables", "steps", "run", "item", "index")
"""The roots that an expression can read. `variables` is another name for `vars`."""


class UnknownName(Exception):
    """A name that CEL accepts and this language does not support."""

    def __init__(self, name: Identifier) -> None:
        super().__init__(name.text)
        self.name = name


def collect(node: Node) -> tuple[Reference, ...]:
    """Every place where the context is read, in the order written. Variables of macros are not included."""
    return tuple(sorted(_visit(node, frozenset()), key=lambda reference: reference.offset))


def _visit(node: Node, bound: frozenset[str]) -> Iterator[Reference]:
    match node:
        case Identifier() | Member():
            yield from _read(node, bound)
        case FunctionCall() if node.function in (INDEX, OPTIONAL_INDEX, OPTIONAL_MEMBER):
            yield from _read(node, bound)
        case Fold():
            inner = bound | {node.variable}
            yield from _visit(node.over, bound)
            for part in (node.test, node.body):
                if part is not None:
                    yield from _visit(part, inner)
        case _:
            for child in children(node):
                yield from _visit(child, bound)


def _read(node: Node, bound: frozenset[str]) -> Iterator[Reference]:
    """The reference of a path, and those in its computed keys."""
    parts: list[str] = []
    optional = False
    while True:
        match node:
            case Member():
                parts.append(node.name)
                optional = optional or node.is_test
                node = node.operand
            case FunctionCall() if node.function in (INDEX, OPTIONAL_INDEX, OPTIONAL_MEMBER):
                container, key = node.arguments
                part = literal_key(key)
                if part is None:
                    # The parts after a computed key depend on its value, so they are not checked.
                    parts, optional = [], False
                    yield from _visit(key, bound)
                else:
                    parts.append(str(part))
                    optional = optional or node.function != INDEX
                node = container
            case Identifier():
                if node.text not in bound and node.text not in TYPES:
                    yield _reference(node, parts, optional=optional)
                return
            case _:
                yield from _visit(node, bound)
                return


def _reference(name: Identifier, parts: list[str], *, optional: bool) -> Reference:
    if name.text not in ROOTS:
        raise UnknownName(name)
    root = "vars" if name.text == "variables" else name.text
    return Reference((root, *reversed(parts)), optional, name.offset)
