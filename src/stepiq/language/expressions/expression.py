"""A compiled expression, as stored in a definition and evaluated by a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from stepiq.core.json import Json
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
from stepiq.language.expressions.results import Room, to_json
from stepiq.language.expressions.source import ExpressionError, ExpressionSource
from stepiq.language.expressions.type_errors import TO_BOOLEAN
from stepiq.language.expressions.values import (
    EvaluationFailure,
    EvaluationMeter,
    Exhausted,
    Optional,
    Value,
    kind_of,
)
from stepiq.language.patterns import PatternSyntaxError, compile_regex
from stepiq.language.templates.lexer import position
from stepiq.language.templates.nodes import Reference

_MAX_SHOWN = 80
_DECIDING_TYPES = ("BOOL", "DYN")
_NOT_PART = "Protocol buffer messages, such as `google.protobuf.Value{}`, are not supported."


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled CEL expression. It can be evaluated any number of times, by any thread."""

    source: str
    """Its text, as written."""
    references: tuple[Reference, ...]
    """Every place where it reads the context, in the order written, as far as known before evaluation:
    `input.list[index].name` reads `input.list` and `index`. Names that macros bind are not included."""
    may_decide: bool
    """False if its value cannot be true or false, whatever the context contains."""
    program: Program = field(repr=False, compare=False)

    @classmethod
    def compile(cls, text: str) -> Self:
        """Compile an expression of at most `source.MAX_LENGTH` characters.

        Raises:
            ExpressionSyntaxError: with line and column inside the text.
        """
        program, references, may_decide = _parse(text)
        return cls(text, references, may_decide, program)

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset in its text, both counted from 1."""
        return position(self.source, offset)

    def evaluate(
        self,
        context: Mapping[str, Json],
        *,
        meter: EvaluationMeter | None = None,
        room: Room | None = None,
    ) -> Json:
        """The value as plain JSON. Data from the context is not copied: do not modify the result.

        Doubles without a fraction become integers, timestamps ISO 8601 texts, durations seconds (`90s`), and an empty
        optional null.

        Args:
            context: the roots in `references`, as plain JSON data.
            meter: the remaining work of several expressions that share a limit.
            room: the remaining size of their values.

        Raises:
            ExpressionError: the expression has no value, or one that JSON cannot represent, or exceeds the work limit.
        """
        meter = meter or EvaluationMeter()
        try:
            return to_json(self.program.run(context, meter), meter, room or Room())
        except (EvaluationFailure, Exhausted) as error:
            raise self._error(error) from None

    def decide(self, context: Mapping[str, Json], *, meter: EvaluationMeter | None = None) -> bool:
        """Whether a condition is true; the arguments are those of `evaluate`.

        Raises:
            ExpressionError: as for `evaluate`, or the value is not a boolean.
        """
        try:
            value = self.program.run(context, meter or EvaluationMeter())
        except (EvaluationFailure, Exhausted) as error:
            raise self._error(error) from None
        if type(value) is not bool:
            raise self._error(EvaluationFailure(_explain_undecided(value)))
        return value

    def _error(self, reason: Exception) -> ExpressionError:
        text = " ".join(self.source.split())
        shown = text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
        return ExpressionError(f"`{shown}` cannot be evaluated: {reason}")


def _explain_undecided(value: Value) -> str:
    is_optional = type(value) is Optional
    hint = "Give a fallback: `.orValue(false)`." if is_optional else TO_BOOLEAN
    return f"a condition must be true or false, but this is {kind_of(value)}. {hint}"


def _parse(text: str) -> tuple[Program, tuple[Reference, ...], bool]:
    """The program of an expression, the places where it reads the context, and whether its value may be true or false.

    CEL's own engine parses and checks the text, but does not evaluate. Its evaluation cannot be interrupted, holds the
    GIL, copies the whole list for every item that `map` and `filter` add, truncates texts at U+0000, and in this version
    drops a reference to `None` for every null that it returns, which ends the process.
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
    return (
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
