"""Waits for a time. Waits of up to a minute hold the worker; longer waits park the run."""

from datetime import timedelta

from stepiq.core import clock
from stepiq.execution.interpreter.attempts import note_wait
from stepiq.execution.interpreter.run_context import Parked, SequenceState, pass_time
from stepiq.execution.outcomes import Outcome, Waiting
from stepiq.execution.records.run import StepRecord
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
