"""Collects the places of the context that an expression reads, for the checks on saving a definition."""

from collections.abc import Iterator

from stepiq.language.expressions.nodes import (
    INDEX,
    OPTIONAL_INDEX,
    OPTIONAL_MEMBER,
    Fold,
    FunctionCall,
    Identifier,
    Member,
    Node,
    children,
    literal_key,
)
from stepiq.language.expressions.values import TYPES
from stepiq.language.templates.nodes import Reference

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
