"""Logic and iteration: `&&`, `||` and the macros, and the frame they are evaluated in."""

from collections.abc import Callable, Iterator, Mapping

from stepiq.core.json import Json
from stepiq.language.expressions.nodes import FoldKind
from stepiq.language.expressions.values import (
    EvaluationFailure,
    EvaluationMeter,
    Optional,
    Value,
    kind_of,
)


class Frame:
    """The state of one evaluation."""

    __slots__ = ("context", "meter", "variables")

    def __init__(self, context: Mapping[str, Json], meter: EvaluationMeter, depth: int) -> None:
        self.context = context
        self.meter = meter
        self.variables: list[Value] = [None] * depth
        """The variables bound by the enclosing macros, outermost first."""


Run = Callable[[Frame], Value]
Folding = Callable[[Frame, Iterator[Value], int, int], Value]
"""Iterates over items. Takes the slot of the variable and the cost of each item."""


def decide(sign: str, deciding: bool, left: Run, right: Run, frame: Frame) -> bool:
    """`&&` and `||`: either side may decide, even if the other one fails."""
    failure: EvaluationFailure | None = None
    try:
        value = left(frame)
        if value is deciding:
            return deciding
        expect_bool(sign, value)
    except EvaluationFailure as found:
        failure = found
    try:
        value = right(frame)
        if value is deciding:
            return deciding
        expect_bool(sign, value)
    except EvaluationFailure as found:
        failure = failure or found
    if failure is not None:
        raise failure
    return not deciding


def expect_bool(sign: str, value: Value) -> bool:
    """Return the value if it is a boolean; fail otherwise."""
    if type(value) is not bool:
        advice = (
            "Give a fallback: `.orValue(false)`."
            if type(value) is Optional
            else "Compare the value: `x != ''`, `x > 0`, `x == true`."
        )
        raise EvaluationFailure(f"`{sign}` needs true or false, but got {kind_of(value)}. {advice}")
    return value


def _searching(deciding: bool) -> Callable[[str, Run, None], Folding]:
    """`exists` and `all`: one item may decide, even if others fail."""

    def make(name: str, test: Run, _body: None) -> Folding:
        def search(frame: Frame, items: Iterator[Value], slot: int, cost: int) -> bool:
            failure: EvaluationFailure | None = None
            for item in items:
                frame.meter.spend(cost)
                frame.variables[slot] = item
                try:
                    value = test(frame)
                    if value is deciding:
                        return deciding
                    expect_bool(name, value)
                except EvaluationFailure as found:
                    failure = failure or found
            if failure is not None:
                raise failure
            return not deciding

        return search

    return make


def _counting(name: str, test: Run, _body: None) -> Folding:
    def count(frame: Frame, items: Iterator[Value], slot: int, cost: int) -> bool:
        found = 0
        for item in items:
            frame.meter.spend(cost)
            frame.variables[slot] = item
            found += expect_bool(name, test(frame))
        return found == 1

    return count


def _mapping(_name: str, test: Run | None, body: Run) -> Folding:
    def make(frame: Frame, items: Iterator[Value], slot: int, cost: int) -> Value:
        made: list[Value] = []
        for item in items:
            frame.meter.spend(cost)
            frame.variables[slot] = item
            if test is None or expect_bool("filter", test(frame)):
                made.append(body(frame))
        return tuple(made)

    return make


FOLDS: dict[FoldKind, Callable[..., Folding]] = {
    FoldKind.ALL: _searching(False),
    FoldKind.EXISTS: _searching(True),
    FoldKind.EXISTS_ONE: _counting,
    FoldKind.MAP: _mapping,
}
