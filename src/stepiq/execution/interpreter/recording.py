"""Records the results of steps: masked, checked against size limits, and with their events."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.core.json import MAX_KEPT_DEPTH, Json, SerializedJson, nests_too_deep
from stepiq.execution.interpreter.jumps import choose
from stepiq.execution.interpreter.run_context import RunContext, SequenceState
from stepiq.execution.outcomes import STOP, Completed, Ended, Failed, FailureCode, Skipped
from stepiq.execution.records import events
from stepiq.execution.records.run import StepRecord
from stepiq.execution.scope import state
from stepiq.language import offload
from stepiq.language.definitions.step import Jump, Step
from stepiq.redaction.masking import masked
from stepiq.store.states import StepStatus

STEP_OUTPUT_BYTES = 1024 * 1024
"""Maximum size of one step's output as JSON."""
_OF_THE_RUN = frozenset({FailureCode.RUN_TIMEOUT, FailureCode.SECRET_UNREADABLE})
"""Failures that `on_error` does not handle."""
RUN_OUTPUT_BYTES = 16 * 1024 * 1024
"""Maximum total size of a run's outputs as JSON."""


def new_record(sequence: SequenceState, step: Step, iteration: int) -> StepRecord:
    """Add a record for an execution that is about to begin. Does not write it."""
    run = sequence.run_context.run
    record = StepRecord(
        id=uuid7(),
        step_id=step.id,
        name=step.name,
        type=str(step.type),
        ordinal=run.last_ordinal + 1,
        iteration=iteration,
        branch=sequence.branch,
    )
    run.add(record)
    return record


async def settle(
    sequence: SequenceState, step: Step, record: StepRecord, ended: Ended
) -> Failed | None:
    """Record the result of a step and its jump; returns the failure if the sequence cannot continue.

    A failure that ends the sequence stays in the buffer and is written in one transaction with the end of the enclosing
    step or run, so that a crash cannot separate the two. If the enclosing step tolerates the failure, its group of
    branches writes it in time.
    """
    run_context = sequence.run_context
    written = None
    if isinstance(ended, Completed):
        ended, written = await _kept(run_context, step, ended.output)
    if isinstance(ended, Failed):
        ended = await _located(sequence, step, ended)
    failed = ended if isinstance(ended, Failed) and not _goes_on(step, ended) else None
    sequence.scope["steps"][step.id] = _shown(ended)
    way = None if failed is not None else await choose(sequence, step, ended)
    if isinstance(way, Failed):
        failed = await _located(sequence, step, way)
    # No await until the record is complete: a cancel of this branch finds the step either in progress or recorded.
    record.completed_at = clock.now()
    record.started_at = record.started_at or record.completed_at
    record.status = StepStatus.FAILED if failed is not None else _status(ended)
    record.cancel_operations(record.completed_at)
    if isinstance(ended, Completed):
        record.output, record.written = ended.output, written
    if (failure := failed or ended) and isinstance(failure, Failed):
        record.error = _error(failure)
    sequence.show(step.id, record)
    jump = way if isinstance(way, Jump) else None
    record.jump = jump.site if jump is not None else None if failed is None else STOP
    run_context.count(record)
    run_context.buffer.add(record, ended_event(record, jump))
    if failed is None:
        await run_context.buffer.write_in_time()
    return failed


def cancelled(run_context: RunContext, record: StepRecord) -> None:
    """Record that a step was stopped because another branch failed."""
    record.status, record.completed_at = StepStatus.CANCELLED, clock.now()
    record.started_at = record.started_at or record.completed_at
    record.cancel_operations(record.completed_at)
    run_context.buffer.add(record, ended_event(record))


async def _located(sequence: SequenceState, step: Step, failed: Failed) -> Failed:
    """A failure with its message masked and prefixed with its location: ``Step `a`, item 2, `set.total`: …``."""
    message = failed.message
    if failed.origin is None and failed.code not in _OF_THE_RUN:
        field = None if failed.field is None else f"`{failed.field}`"
        place = ", ".join(filter(None, (f"Step `{step.id}`", sequence.items, field)))
        message = f"{place}: {message}"
    return replace(failed, message=await sequence.run_context.secrets.as_recorded(message))


def _goes_on(step: Step, failed: Failed) -> bool:
    """Whether the sequence continues after a failure, by the step's `on_error`."""
    return step.on_error.goes_on and failed.code not in _OF_THE_RUN


def _status(ended: Ended) -> StepStatus:
    match ended:
        case Completed():
            return StepStatus.COMPLETED
        case Skipped():
            return StepStatus.SKIPPED
        case Failed():
            return StepStatus.FAILED
        case _:
            assert_never(ended)


def _shown(ended: Ended) -> dict[str, Json]:
    output = ended.output if isinstance(ended, Completed) else None
    error = _error(ended) if isinstance(ended, Failed) else None
    return state(_status(ended), output, error)


def _error(failed: Failed) -> dict[str, Json]:
    return {"code": str(failed.code), "message": failed.message}


async def _kept(
    run_context: RunContext, step: Step, output: Json
) -> tuple[Completed, SerializedJson] | tuple[Failed, None]:
    """Mask and check an output; later steps use the recorded value, so that a crash does not change it."""
    try:
        output, text = SerializedJson.pair(output)
        too_deep = await offload.read(nests_too_deep, text, output)
    except RecursionError:
        return _too_deep(), None
    if too_deep:
        return _too_deep(), None
    masker = run_context.secrets.masker
    # The outputs of branches are already masked.
    if not masker.is_empty and not step.sequences:
        output = await masked(masker.value, output, apart=masker.is_slow(text.size_bytes))
        output, text = SerializedJson.pair(output)
    unfit = _unfit(run_context, text.size_bytes)
    return (Completed(output), text) if unfit is None else (unfit, None)


def _too_deep() -> Failed:
    return Failed(
        FailureCode.OUTPUT_TOO_LARGE,
        f"The output is nested more than {MAX_KEPT_DEPTH} levels deep, which is the maximum. Return a flatter value.",
    )


def _unfit(run_context: RunContext, size: int) -> Failed | None:
    if size > STEP_OUTPUT_BYTES:
        return Failed(
            FailureCode.OUTPUT_TOO_LARGE,
            f"The output has {size:,} bytes, but the maximum is {STEP_OUTPUT_BYTES:,}. Return less data.",
        )
    total = run_context.output_bytes + size
    if total > RUN_OUTPUT_BYTES:
        return Failed(
            FailureCode.OUTPUT_TOO_LARGE,
            f"With this output, the outputs of the run exceed {RUN_OUTPUT_BYTES:,} bytes. Return less data, or split the "
            "pipeline.",
        )
    run_context.output_bytes = total
    return None


def which(record: StepRecord) -> events.ExecutionKey:
    """The fields of an event that identify an execution."""
    return events.execution(record.step_id, record.branch, record.iteration)


def ended_event(record: StepRecord, jump: Jump | None = None) -> events.Event:
    """The event of an ended execution, with the target of its jump if there is one."""
    meter = record.meter
    facts: events.StepStatusFacts = {
        "name": record.name,
        "type": record.type,
        "attempts": record.attempts,
        "duration_ms": _duration_ms(record),
    }
    if record.model is not None:
        facts |= {
            "model": record.model,
            "input_tokens": meter.input_tokens,
            "cached_tokens": meter.cached_tokens,
            "output_tokens": meter.output_tokens,
            "cost_usd_micros": meter.cost_usd_micros if meter.cost_complete else None,
        }
    if record.error is not None:
        facts["error"] = record.error
    if jump is not None:
        facts["goto"] = jump.target
    return events.step_status(record.status, which(record), **facts)


def _duration_ms(record: StepRecord) -> int:
    ended = record.completed_at or clock.now()
    return round((ended - (record.started_at or ended)) / timedelta(milliseconds=1))
