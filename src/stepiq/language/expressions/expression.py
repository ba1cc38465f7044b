"""A compiled expression, as stored in a definition and evaluated by a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from stepiq.core.json import Json
from stepiq.language.expressions import reading
from stepiq.language.expressions.program import Program
from stepiq.language.expressions.results import Room, to_json
from stepiq.language.expressions.source import ExpressionError
from stepiq.language.expressions.values import (
    EvaluationFailure,
    EvaluationMeter,
    Exhausted,
    Optional,
    Value,
    kind_of,
)
from stepiq.language.templates.lexer import position
from stepiq.language.templates.nodes import Reference

_MAX_SHOWN = 80


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
        found = reading.read(text)
        return cls(text, found.references, found.may_decide, found.program)

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
    hint = "Compare it: `x != ''`, `x > 0`, `x == true`."
    if value is None:
        hint = "Compare it: `x != null`, `x == true`."
    elif type(value) is Optional:
        hint = "Give a fallback: `.orValue(false)`."
    elif type(value) in (list, tuple, dict):
        hint = "Compare its size: `size(x) > 0`."
    return f"a condition must be true or false, but this is {kind_of(value)}. {hint}"
