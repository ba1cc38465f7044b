"""Parses expressions with CEL's own parser and type checker, and explains their errors.

The library's engine parses and checks, but does not evaluate. Its evaluation cannot be interrupted, holds the GIL,
copies the whole list for every item that `map` and `filter` add, truncates texts at U+0000, and in this version drops
a reference to `None` for every null that it returns, which ends the process.
"""

from dataclasses import dataclass

from stepiq.language.expressions import hints, source, wire
from stepiq.language.expressions.environment import engine
from stepiq.language.expressions.nodes import (
    Constant,
    FunctionCall,
    Node,
    UnknownName,
    children,
    collect,
)
from stepiq.language.expressions.program import Program, UnknownFunction
from stepiq.language.expressions.source import ExpressionSource
from stepiq.language.patterns import PatternSyntaxError, compile_regex
from stepiq.language.templates.nodes import Reference

_DECIDING_TYPES = ("BOOL", "DYN")
_NOT_PART = "Protocol buffer messages, such as `google.protobuf.Value{}`, are not supported."


@dataclass(frozen=True, slots=True)
class ParseResult:
    """The result of parsing."""

    program: Program
    references: tuple[Reference, ...]
    """With offsets in the text as written."""
    may_decide: bool
    """Whether the value can be true or false, as far as the types are known."""


def read(text: str) -> ParseResult:
    """Parse an expression.

    Raises:
        ExpressionSyntaxError: with line and column inside the text.
    """
    found = source.read(text)
    try:
        compiled = engine().compile(found.text)
    except RuntimeError as error:
        found.fail(*hints.explain(found, str(error)))
    try:
        result_type = str(compiled.return_type())
    except RuntimeError:
        # The library has types for objects with these keys, but cannot return them.
        found.fail(0, "The keys of an object must be strings: `{'name': 1}`.")
    try:
        node = wire.decode(compiled.serialize(), found.is_in_placeholder)
        references = collect(node)
        _check_patterns(node, found)
        program = Program(node)
    except wire.Foreign as foreign:
        found.fail(foreign.offset, _NOT_PART)
    except UnknownName as unknown:
        found.fail(unknown.name.offset, _NOT_PART)
    except UnknownFunction as unknown:
        found.fail(unknown.call.offset, f"`{unknown.call.function}` is not supported.")
    return ParseResult(
        program,
        tuple(
            Reference(reference.parts, reference.optional, found.origin(reference.offset))
            for reference in references
        ),
        result_type in _DECIDING_TYPES,
    )


def _check_patterns(node: Node, found: ExpressionSource) -> None:
    """Refuse invalid literal patterns."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        waiting.extend(children(current))
        match current:
            case FunctionCall(function="matches", arguments=(_, Constant(value=str(pattern)))):
                try:
                    compile_regex(pattern)
                except PatternSyntaxError as error:
                    found.fail(current.offset, error.message)
            case _:
                pass
