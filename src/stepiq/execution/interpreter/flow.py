"""Walks through a sequence of steps from its beginning: replays recorded steps and executes the others.

A resumed run is walked again from its first step. Its recorded executions contain the result of each step and the jump
that followed, so the walk reaches the point at which the run stopped, and continues from there.
"""

from datetime import timedelta

from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.interpreter import branches, recording
from stepiq.execution.interpreter.attempts import execute, note_wait
from stepiq.execution.interpreter.jumps import follow
from stepiq.execution.interpreter.run_context import (
    MAX_ROWS,
    Parked,
    SequenceState,
    Stopped,
    pass_time,
)
from stepiq.execution.outcomes import (
    STOP,
    Ended,
    Failed,
    FailureCode,
    Fork,
    Outcome,
    Skipped,
    Waiting,
)
from stepiq.execution.records.run import StepRecord
from stepiq.language import offload
from stepiq.language.definitions.step import Step
from stepiq.language.expressions import ExpressionError
from stepiq.store.states import StepStatus

IN_PLACE = timedelta(minutes=1)
"""The longest wait for which the worker keeps the run."""


async def wait(sequence: SequenceState, record: StepRecord, waiting: Waiting) -> Outcome | Parked:
    """Wait, and return the step's result; or where the run continues, if it has to be parked."""
    run_context = sequence.run_context
    is_new = record.status is not StepStatus.WAITING
    note_wait(run_context, record)
    if run_context.dependencies.stubs is not None:
        return waiting.resume()
    until = waiting.until
    wake_at = min(until, run_context.run.deadline_at)
    is_long = wake_at - clock.now() > IN_PLACE
    if is_long and sequence.is_top:
        return Parked(record, until)
    if is_new and wake_at > clock.now():
        await run_context.buffer.write()
    if is_long:
        await run_context.sleepers.sleep(wake_at)
    else:
        await pass_time(wake_at - clock.now())
    late = (
        run_context.out_of_time()
        if run_context.run.deadline_at <= until
        else run_context.too_late()
    )
    return late or waiting.resume()


async def walk(sequence: SequenceState) -> Stopped | Parked | None:
    """Walk to the end of a sequence, or through its only step; returns the reason if it stops before."""
    position = sequence.only or 0
    while position < len(sequence.steps):
        step = sequence.steps[position]
        with logging.bound(step_id=step.id):
            record = await _execute(sequence, step)
        if not isinstance(record, StepRecord):
            return record
        if record.status is not StepStatus.SKIPPED:
            sequence.output = sequence.previous = record.output
        if sequence.only is not None:
            break
        position = follow(sequence, step, record)
    return None


async def _execute(sequence: SequenceState, step: Step) -> StepRecord | Stopped | Parked:
    run_context = sequence.run_context
    if (exhausted := sequence.allowance.spend()) is not None:
        return Stopped(step.id, exhausted, is_recorded=False)
    run_context.executions[step.id, sequence.branch] += 1
    iteration = run_context.executions[step.id, sequence.branch]
    record = run_context.run.steps.get((step.id, sequence.branch, iteration))
    # A step cancelled by the failure of another branch, just before a crash, is executed again.
    if record is not None and record.status is StepStatus.CANCELLED:
        record.status, record.completed_at = StepStatus.PENDING, None
    if record is not None and record.is_final:
        return await _pass_over(sequence, step, record)
    if record is None:
        if len(run_context.run.steps) >= MAX_ROWS:
            return Stopped(step.id, _too_many(), is_recorded=False)
        record = recording.new_record(sequence, step, iteration)
    ended = (
        run_context.too_late()
        or run_context.secrets.failure
        or await _perform(sequence, step, record)
    )
    if isinstance(ended, Parked):
        return ended
    failed = await recording.settle(sequence, step, record, ended)
    return record if failed is None else Stopped(failed.origin or step.id, failed)


def _too_many() -> Failed:
    return Failed(
        FailureCode.STEP_LIMIT,
        f"The run has executed {MAX_ROWS:,} steps, items included, which is the maximum. Use fewer items, or start several "
        "runs.",
    )


async def _pass_over(
    sequence: SequenceState, step: Step, record: StepRecord
) -> StepRecord | Stopped:
    run_context = sequence.run_context
    run_context.count(record)
    run_context.count_output(record)
    sequence.show(step.id, record)
    if step.sequences:
        await branches.pass_over(sequence, step, record)
    await run_context.replayed()
    error = record.error
    if error is not None and record.jump == STOP:
        return Stopped(step.id, Failed(FailureCode(str(error["code"])), str(error["message"])))
    return record


async def _perform(sequence: SequenceState, step: Step, record: StepRecord) -> Ended | Parked:
    if step.condition is not None and record.attempts == 0:
        try:
            if not await offload.decide(step.condition, sequence.scope):
                return Skipped()
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field="if")
    return await _do(sequence, step, record)


async def _do(sequence: SequenceState, step: Step, record: StepRecord) -> Ended | Parked:
    result = await execute(sequence, step, record)
    if isinstance(result, Fork):
        return await branches.run(sequence, record, result, walk)
    if isinstance(result, Waiting):
        return await wait(sequence, record, result)
    return result
