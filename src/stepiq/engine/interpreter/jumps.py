"""Which step comes after one that has ended."""

from collections.abc import Iterator

from stepiq.core.json import Json
from stepiq.engine import aside
from stepiq.engine.interpreter.course import Frame
from stepiq.engine.outcomes import Completed, Ended, Failed, FailureCode, Skipped
from stepiq.engine.records import StepRecord
from stepiq.language.expressions import ExpressionError
from stepiq.language.specs import (
    END,
    NEXT,
    Case,
    ConditionSpec,
    Jump,
    LimitAction,
    ReviewSpec,
    Step,
)
from stepiq.store.states import ReviewDecision

STOP = "stop"
"""In place of the field that led on: nothing may."""


async def choose(frame: Frame, step: Step, ended: Ended) -> Jump | Failed | None:
    """Where a step leads that has just ended; None for the one behind it, a failure where the run cannot go on.

    What the step gave must be in the frame's scope already.
    """
    try:
        jump = await _wanted(frame, step, ended)
    except ExpressionError as error:
        return Failed(FailureCode(error.code), error.message, field=error.field)
    if jump is None or not _is_backwards(frame, step, jump):
        return jump
    made = frame.course.jumps[frame.branch, step.id, jump.site]
    if made < jump.max_loops:
        return jump
    if jump.on_limit is LimitAction.NEXT:
        return None
    return Failed(
        FailureCode.LOOP_LIMIT,
        f"The run has jumped back to `{jump.target}` {made} times, which is the maximum. Raise `max_loops`, set "
        "`on_limit: next`, or change the condition.",
        field=jump.site,
    )


def follow(frame: Frame, step: Step, record: StepRecord) -> int:
    """Position of the step that comes after a recorded execution; behind the last one where the sequence ends."""
    position = frame.position(step.id)
    jump = next((each for each in _jumps(step) if each.site == record.jump), None)
    if jump is None or jump.target == NEXT:
        return position + 1
    return len(frame.steps) if jump.target == END else frame.position(jump.target)


async def _wanted(frame: Frame, step: Step, ended: Ended) -> Jump | None:
    match ended:
        case Skipped():
            return None
        case Failed():
            return step.on_error.jump
        case Completed(output):
            own = _of_type(step, output)
            if own is not None and own.target != NEXT:
                return own
            return await _first_true(frame, step.on_condition)


def _of_type(step: Step, output: Json) -> Jump | None:
    """Where the step's own type leads."""
    match step.spec:
        case ConditionSpec(cases, otherwise):
            matched: int | None = output["matched"]
            return otherwise if matched is None else cases[matched].jump
        case ReviewSpec(on_reject=on_reject):
            is_rejected = output["decision"] == ReviewDecision.REJECT
            return on_reject if is_rejected else None
        case _:
            return None


async def _first_true(frame: Frame, cases: tuple[Case, ...]) -> Jump | None:
    for case in cases:
        try:
            if await aside.decide(case.condition, frame.scope):
                return case.jump
        except ExpressionError as error:
            error.field = f"{case.jump.site}.if"
            raise
    return None


def _is_backwards(frame: Frame, step: Step, jump: Jump) -> bool:
    if jump.target in (NEXT, END):
        return False
    return frame.position(jump.target) <= frame.position(step.id)


def _jumps(step: Step) -> Iterator[Jump]:
    if step.on_error.jump is not None:
        yield step.on_error.jump
    yield from (case.jump for case in step.on_condition)
    if isinstance(step.spec, ConditionSpec):
        yield from (case.jump for case in step.spec.cases)
        yield step.spec.otherwise
    if isinstance(step.spec, ReviewSpec) and step.spec.on_reject is not None:
        yield step.spec.on_reject
