"""Repeats a run from one of its steps: what was recorded before that step's last start is taken over, and not done again.

The new run is walked through like one that is taken up after a crash, so that it comes to the same step on the same way.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from stepiq.core.errors import Invalid, Issue
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.engine.journal_rows import step_row
from stepiq.engine.records import NOTHING, ClaimedRun, Meter, Reuse, StepRecord
from stepiq.language.definition import Definition
from stepiq.language.specs import Step
from stepiq.store.database import Session
from stepiq.store.states import StepStatus
from stepiq.store.tables import large_values, run_steps

START = "start"
"""In place of a step id: nothing is taken over."""
FAILED = "failed"
"""In place of a step id: the step at which the run ended."""


class RetryInvalid(Invalid):
    """The run cannot be retried from this step, or with this data."""

    code = "retry_invalid"


def plan(
    run: ClaimedRun,
    failed_step: str | None,
    definition: Definition,
    *,
    start: str,
    outputs: Mapping[str, Json],
) -> Reuse:
    """Find out what a repetition takes over.

    Args:
        run: the one that is repeated, as recorded.
        failed_step: where it failed, if it did.
        definition: of the version that the new run follows.
        start: a step id, `start` or `failed`.
        outputs: in place of what steps gave that are taken over, by step id.

    Raises:
        RetryInvalid: there is no such step to start from, or an output of a step is given that is not taken over.
    """
    first = _first(run, failed_step, definition, start)
    before = 0 if first is None else _ordinal(run, first)
    known = {step.id for step in definition.every_step}
    kept = [
        record
        for record in run.steps.values()
        if record.ordinal < before
        and record.is_final
        and record.status is not StepStatus.CANCELLED
        and record.step_id in known
    ]
    edited = _edited(kept, outputs)
    if not kept:
        return NOTHING
    copies = tuple(_copy(record, edited) for record in kept)
    return Reuse(copies, _saved(kept))


async def copy(session: Session, run_id: UUID, reuse: Reuse) -> None:
    """Write what a new run takes over, in the transaction that accepts it."""
    if not reuse.steps:
        return
    rows: list[dict[str, Any]] = []
    large: list[dict[str, Any]] = []
    for record in reuse.steps:
        row, output = step_row(run_id, record)
        rows.append(row)
        if output is not None:
            large.append({"owner_id": record.id, "run_id": run_id, "value": output})
    await session.execute(run_steps.insert(), rows)
    if large:
        await session.execute(large_values.insert(), large)


def _first(
    run: ClaimedRun, failed_step: str | None, definition: Definition, start: str
) -> str | None:
    """Id of the step that is done again first; None for the first of all."""
    if start == START:
        return None
    wanted = start
    if start == FAILED:
        stopped = failed_step or _unfinished(run)
        if stopped is None:
            raise _invalid("from", "The run did not fail. Name a step to start from, or `start`.")
        wanted = stopped
    step = _around(definition, wanted)
    if step is None:
        raise _invalid(
            "from", f"The version that is to be run has no step `{wanted[:64]}`. Name another one."
        )
    return step.id


def _around(definition: Definition, step_id: str) -> Step | None:
    """The step of that id, or the outermost `parallel` that it stands in."""
    for step in definition.steps:
        inside = (inner.id for sequence in step.sequences for inner in _every(sequence))
        if step.id == step_id or step_id in inside:
            return step
    return None


def _every(steps: tuple[Step, ...]) -> list[Step]:
    return [
        found
        for step in steps
        for found in (step, *(each for inner in step.sequences for each in _every(inner)))
    ]


def _unfinished(run: ClaimedRun) -> str | None:
    """Where a run was stopped."""
    stopped = [
        record for record in run.steps.values() if record.status is StepStatus.CANCELLED
    ] or [record for record in run.steps.values() if not record.is_final]
    return min(stopped, key=lambda record: record.ordinal).step_id if stopped else None


def _ordinal(run: ClaimedRun, step_id: str) -> int:
    starts = [record.ordinal for record in run.steps.values() if record.step_id == step_id]
    if not starts:
        raise _invalid(
            "from", f"Step `{step_id}` did not run, so there is nothing before it to take over."
        )
    return max(starts)


def _edited(kept: list[StepRecord], outputs: Mapping[str, Json]) -> dict[UUID, Json]:
    """The outputs that are given, by the record whose place they take: the last one of each step."""
    last = {record.step_id: record for record in kept if not record.branch}
    for step_id in outputs:
        if step_id not in last:
            raise _invalid(
                f"outputs.{step_id[:64]}",
                f"Step `{step_id[:64]}` is done again, or did not run. Only outputs of steps that are taken over can be given.",
            )
    return {last[step_id].id: value for step_id, value in outputs.items()}


def _copy(record: StepRecord, edited: Mapping[UUID, Json]) -> StepRecord:
    copied = replace(
        record, id=uuid7(), is_reused=True, is_stored=False, meter=Meter(), stored_meter=Meter()
    )
    if record.id in edited:
        copied.output, copied.written = edited[record.id], None
        copied.status, copied.error = StepStatus.COMPLETED, None
    return copied


def _saved(kept: list[StepRecord]) -> dict[str, Json]:
    meters = [record.meter for record in kept]
    tokens_in = sum(meter.input_tokens for meter in meters)
    tokens_out = sum(meter.output_tokens for meter in meters)
    return {
        "steps": len(kept),
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "cost_usd_micros": sum(meter.cost_usd_micros for meter in meters),
    }


def _invalid(path: str, message: str) -> RetryInvalid:
    return RetryInvalid(message, [Issue(path, "retry_invalid", message)])
