"""Writes and reads the operations of steps, in the transactions of the journal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.json import SerializedJson
from stepiq.execution.records.rows import meter_of, split_large, used
from stepiq.execution.records.run import ClaimedRun, Operation, StepRecord
from stepiq.store.database import Session
from stepiq.store.states import OperationStatus, StepStatus
from stepiq.store.tables import operation_payloads, run_operations

_NEW = run_operations.insert()
_CHANGE = run_operations.update().where(
    run_operations.c.id == sa.bindparam("row_id", type_=run_operations.c.id.type)
)
_STEP_IDS = sa.bindparam("ids", expanding=True, type_=run_operations.c.step_row_id.type)
_OF_STEPS = (
    sa.select(
        *(column for column in run_operations.c if column.name not in ("request", "response")),
        sa.type_coerce(run_operations.c.response, sa.Text).label("response"),
        sa.type_coerce(operation_payloads.c.value, sa.Text).label("large_response"),
    )
    .select_from(run_operations)
    .outerjoin(
        operation_payloads,
        sa.and_(
            operation_payloads.c.operation_id == run_operations.c.id,
            operation_payloads.c.part == "response",
        ),
    )
    .where(run_operations.c.step_row_id.in_(_STEP_IDS))
    .order_by(run_operations.c.step_row_id, run_operations.c.attempt, run_operations.c.number)
)
_CANCEL = (
    run_operations.update()
    .where(
        run_operations.c.step_row_id.in_(_STEP_IDS),
        run_operations.c.status == OperationStatus.RUNNING,
    )
    .values(
        status=OperationStatus.CANCELLED,
        ended_at=sa.bindparam("now", type_=run_operations.c.ended_at.type),
    )
)


@dataclass(slots=True)
class Written:
    """Operations in a transaction that is not committed yet. The transaction may be repeated."""

    each: list[tuple[Operation, int]] = field(default_factory=list[tuple[Operation, int]])
    """With their number of changes when they were written."""

    def is_durable(self) -> None:
        """Mark the operations as stored, after the commit. A cancel may have changed them again."""
        for operation, changes in self.each:
            operation.stored_changes = changes
            # Only another process reads them, from the rows.
            operation.request = operation.response = None


async def write_many(session: Session, steps: Sequence[tuple[UUID, StepRecord]]) -> Written:
    """Write the operations that have changed, after the rows of their steps. Each step is given with its run's id."""
    written = Written()
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    replies: list[dict[str, Any]] = []
    large: list[dict[str, Any]] = []
    for run_id, record in steps:
        for operation in record.operations:
            if not operation.is_changed:
                continue
            row = _changing(operation)
            if operation.is_stored:
                changed.append({"row_id": operation.id, **row})
            else:
                new.append({**_fixed(run_id, record, operation, large), **row})
            if operation.response is not None:
                response = _payload(operation, "response", large)
                replies.append({"row_id": operation.id, **response})
            written.each.append((operation, operation.changes))
    if new:
        await session.execute(_NEW, new)
    if changed:
        await session.execute(_CHANGE, changed)
    if replies:
        await session.execute(_CHANGE, replies)
    if large:
        await session.execute(operation_payloads.insert(), large)
    return written


async def find_stored(session: Session, record: StepRecord) -> None:
    """Find the operations of a step that have a row, although the response to the commit was lost."""
    unknown = {each.id: each for each in record.operations if not each.is_stored}
    if unknown:
        found = sa.select(run_operations.c.id).where(run_operations.c.id.in_(unknown))
        for operation_id in (await session.execute(found)).scalars():
            unknown[operation_id].stored_changes = 0


async def load(session: Session, runs: Collection[ClaimedRun]) -> None:
    """Read the operations of the current attempts of steps that continue, and others that are still running."""
    begun = {
        record.id: record
        for run in runs
        for record in run.steps.values()
        # A cancelled step can be executed again; see `interpreter.flow`.
        if record.attempts and (not record.is_final or record.status is StepStatus.CANCELLED)
    }
    if not begun:
        return
    for row in await session.execute(_OF_STEPS, {"ids": list(begun)}):
        record = begun[row.step_row_id]
        record.recorded_bytes += row.recorded_bytes
        if row.attempt == record.failures + 1 or row.status == OperationStatus.RUNNING:
            record.operations.append(_operation(row))


async def cancel(session: Session, step_row_ids: Sequence[UUID], now: datetime) -> None:
    """End the running operations of cancelled steps."""
    if step_row_ids:
        await session.execute(_CANCEL, {"ids": list(step_row_ids), "now": now})


def _fixed(
    run_id: UUID, record: StepRecord, operation: Operation, large: list[dict[str, Any]]
) -> dict[str, Any]:
    """The columns that do not change."""
    return {
        "id": operation.id,
        "run_id": run_id,
        "step_row_id": record.id,
        "attempt": operation.attempt,
        "number": operation.number,
        "kind": operation.kind,
        "key": operation.key,
        "queued_at": operation.queued_at,
        "request_is_omitted": operation.request_is_omitted,
        **_payload(operation, "request", large),
    }


def _changing(operation: Operation) -> dict[str, Any]:
    return {
        "status": operation.status,
        "starts": operation.starts,
        "request_hash": operation.request_hash,
        "response_is_omitted": operation.response_is_omitted,
        "recorded_bytes": operation.recorded_bytes,
        "error": operation.error,
        "outcome": operation.outcome,
        "reported_model": operation.reported_model,
        "model": operation.model,
        "paid_by": operation.paid_by,
        "started_at": operation.started_at,
        "first_piece_at": operation.first_piece_at,
        "ended_at": operation.ended_at,
        **used(operation.meter if operation.is_ended else operation.sent),
    }


def _payload(operation: Operation, part: str, large: list[dict[str, Any]]) -> Mapping[str, Any]:
    value = getattr(operation, part)
    inline, apart = split_large(value)
    if apart is not None:
        large.append({"operation_id": operation.id, "part": part, "value": apart})
    return {part: inline, f"{part}_is_large": apart is not None}


def _operation(row: sa.Row[Any]) -> Operation:
    response = row.large_response if row.response_is_large else row.response
    return Operation(
        id=row.id,
        kind=row.kind,
        attempt=row.attempt,
        number=row.number,
        key=row.key,
        request_hash=row.request_hash,
        request_is_omitted=row.request_is_omitted,
        response=None if response is None else SerializedJson(response),
        response_is_omitted=row.response_is_omitted,
        recorded_bytes=row.recorded_bytes,
        status=OperationStatus(row.status),
        starts=row.starts,
        error=row.error,
        model=row.model,
        paid_by=row.paid_by,
        meter=meter_of(row),
        queued_at=row.queued_at,
        started_at=row.started_at,
        first_piece_at=row.first_piece_at,
        ended_at=row.ended_at,
        stored_changes=0,
    )
