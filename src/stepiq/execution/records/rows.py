"""Converts runs and steps to and from database rows."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.json import Json, SerializedJson
from stepiq.core.observability import trace_context
from stepiq.execution.limits.usage import Meter
from stepiq.execution.records.run import ClaimedRun, Reservation, StepRecord
from stepiq.store.states import StepStatus, TriggerType
from stepiq.store.tables import LARGE_VALUE_BYTES, large_values, run_steps, runs

CLAIMED = (
    runs.c.id,
    runs.c.workspace_id,
    runs.c.pipeline_id,
    runs.c.pipeline_version,
    runs.c.trigger_type,
    sa.type_coerce(runs.c.input_data, sa.Text).label("input_data"),
    runs.c.claim,
    runs.c.started_at,
    runs.c.created_at,
    runs.c.deadline_at,
    runs.c.ticket,
    runs.c.own_keys,
    runs.c.crashes,
    runs.c.crashes_in_total,
    runs.c.caller_id,
    runs.c.only_step,
    runs.c.traceparent,
)
"""Columns of a run that `claimed` reads."""
STEP_COLUMNS = (
    *(column for column in run_steps.c if column is not run_steps.c.output),
    sa.type_coerce(run_steps.c.output, sa.Text).label("output"),
    sa.type_coerce(large_values.c.value, sa.Text).label("large_value"),
)
"""Columns of a step that `unread_step` reads. The output is text."""


def claimed(row: sa.Row[Any]) -> ClaimedRun:
    """A run without its steps, from `CLAIMED`. Its input is a `SerializedJson`."""
    return ClaimedRun(
        id=row.id,
        workspace_id=row.workspace_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        trigger_type=TriggerType(row.trigger_type),
        input_data=SerializedJson(row.input_data),
        claim=row.claim,
        started_at=row.started_at,
        created_at=row.created_at,
        deadline_at=row.deadline_at,
        # The first claim of a ticket has the ticket's number. A higher one means that an earlier claim did not finish.
        is_taken_over=row.claim != row.ticket,
        own_keys=row.own_keys or (),
        crashes=row.crashes,
        crashes_in_total=row.crashes_in_total,
        caller_id=row.caller_id,
        only_step=row.only_step,
        parent=trace_context.parse(row.traceparent),
    )


def used(meter: Meter) -> dict[str, Any]:
    """The usage columns of the row of a step or an operation."""
    return {
        "input_tokens": meter.input_tokens,
        "cached_tokens": meter.cached_tokens,
        "output_tokens": meter.output_tokens,
        "tokens_estimated": meter.tokens_estimated,
        "cost": meter.cost if meter.cost_complete else None,
    }


def meter_of(row: sa.Row[Any]) -> Meter:
    """The usage in the row of a step or an operation."""
    return Meter(
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        tokens_estimated=row.tokens_estimated,
        cost=row.cost,
        cost_complete=row.cost is not None or row.input_tokens + row.output_tokens == 0,
    )


def step_row(run_id: UUID, record: StepRecord) -> tuple[dict[str, Any], Json]:
    """A step's row, and its output if that is too large for the row."""
    inline, large = split_large(record.output, record.written)
    row = {
        "id": record.id,
        "run_id": run_id,
        "step_id": record.step_id,
        "branch": record.branch,
        "iteration": record.iteration,
        "ordinal": record.ordinal,
        "name": record.name,
        "type": record.type,
        "status": record.status,
        "attempts": record.attempts,
        "failures": record.failures,
        "stopped_branches": record.stopped_branches,
        "model": record.model,
        "paid_by": record.paid_by,
        "reserved_tokens": record.reservation.held,
        "prompt": record.prompt,
        "system_prompt": record.system_prompt,
        "output": inline,
        "output_is_large": large is not None,
        "error": record.error,
        "jump": record.jump,
        "is_reused": record.is_reused,
        "started_at": record.started_at,
        "completed_at": record.completed_at,
        **used(record.meter),
    }
    return row, large


def step_record(row: sa.Row[Any]) -> StepRecord:
    """A step from its row with the joined column `large_value`."""
    meter = meter_of(row)
    return StepRecord(
        id=row.id,
        step_id=row.step_id,
        name=row.name,
        type=row.type,
        ordinal=row.ordinal,
        iteration=row.iteration,
        branch=row.branch,
        status=StepStatus(row.status),
        has_waited=row.status == StepStatus.WAITING,
        attempts=row.attempts,
        failures=row.failures,
        stopped_branches=row.stopped_branches,
        model=row.model,
        paid_by=row.paid_by,
        reservation=Reservation(held=row.reserved_tokens),
        prompt=row.prompt,
        system_prompt=row.system_prompt,
        output=row.large_value if row.output_is_large else row.output,
        error=row.error,
        jump=row.jump,
        is_reused=row.is_reused,
        meter=meter,
        started_at=row.started_at,
        completed_at=row.completed_at,
        is_stored=True,
        stored_meter=replace(meter),
    )


def unread_step(row: sa.Row[Any]) -> StepRecord:
    """A step from its row with `STEP_COLUMNS`. Its output is a `SerializedJson` or None."""
    record = step_record(row)
    if isinstance(record.output, str):
        record.output = SerializedJson(record.output)
    return record


def split_large(value: Json, written: SerializedJson | None = None) -> tuple[Json, Json]:
    """Decide where a value is stored: returns it first if it fits into its row, and second if it is too large.

    Args:
        value: the value to store.
        written: the value as JSON, if it is already serialised and `value` is not.
    """
    if value is None:
        return None, None
    if isinstance(value, SerializedJson):
        written = value
    text = SerializedJson.of(value) if written is None else written
    return (None, text) if text.size_bytes > LARGE_VALUE_BYTES else (text, None)
