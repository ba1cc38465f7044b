"""Decides which step comes after one that has ended."""

from collections.abc import Iterator

from stepiq.execution.interpreter.run_context import SequenceState
from stepiq.execution.outcomes import Completed, Ended, Failed, FailureCode, Skipped
from stepiq.execution.records.run import StepRecord
from stepiq.language import offload
from stepiq.language.definitions.step import END, NEXT, Case, Jump, LimitAction, Step
from stepiq.language.expressions import ExpressionError


async def choose(sequence: SequenceState, step: Step, ended: Ended) -> Jump | Failed | None:
    """The jump of a step that has just ended; None for the next step, a failure if the sequence cannot continue.

    The sequence's scope must already include the step's result.
    """
    try:
        jump = await _wanted(sequence, step, ended)
    except ExpressionError as error:
        return Failed(FailureCode(error.code), error.message, field=error.field)
    if jump is None or not _is_backwards(sequence, step, jump):
        return jump
    made = sequence.run_context.jumps[sequence.branch, step.id, jump.site]
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


def follow(sequence: SequenceState, step: Step, record: StepRecord) -> int:
    """Position of the step after a recorded execution; `len(sequence.steps)` at the end of the sequence."""
    position = sequence.position(step.id)
    jump = next((each for each in _jumps(step) if each.site == record.jump), None)
    if jump is None or jump.target == NEXT:
        return position + 1
    return len(sequence.steps) if jump.target == END else sequence.position(jump.target)


async def _wanted(sequence: SequenceState, step: Step, ended: Ended) -> Jump | None:
    match ended:
        case Skipped():
            return None
        case Failed():
            return step.on_error.jump
        case Completed(output):
            own = step.spec.leads_to(output)
            if own is not None and own.target != NEXT:
                return own
            return await _first_true(sequence, step.on_condition)


async def _first_true(sequence: SequenceState, cases: tuple[Case, ...]) -> Jump | None:
    for case in cases:
        try:
            if await offload.decide(case.condition, sequence.scope):
                return case.jump
        except ExpressionError as error:
            error.field = f"{case.jump.site}.if"
            raise
    return None


def _is_backwards(sequence: SequenceState, step: Step, jump: Jump) -> bool:
    if jump.target in (NEXT, END):
        return False
    return sequence.position(jump.target) <= sequence.position(step.id)


def _jumps(step: Step) -> Iterator[Jump]:
    if step.on_error.jump is not None:
        yield step.on_error.jump
    yield from (case.jump for case in step.on_condition)
    yield from step.spec.own_jumps
