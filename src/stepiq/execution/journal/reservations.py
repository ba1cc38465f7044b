"""Credit reservations: each model call reserves its maximum tokens before it starts, and releases them after it.

`calls.budget` requests reservations, and the journal writes them with the steps' rows. The workspace's row has the
sum of reserved tokens, and each step's row has its own part. Claiming a run settles the reservations of earlier claims,
and `settle_left_over` settles those of ended runs.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.journal import reading, statements
from stepiq.execution.limits import usage
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.usage import Meter, Tally
from stepiq.execution.records import operations
from stepiq.execution.records.rows import CLAIMED, claimed, used
from stepiq.execution.records.run import ClaimedRun, Reservation, Shortage, StepRecord
from stepiq.providers.base import Usage
from stepiq.store.database import Database, Session
from stepiq.store.tables import run_steps, runs, workspaces

log = logging.get(__name__)

_LEFT_OVER_AFTER = timedelta(seconds=30)
"""The time for a worker to stop the calls of a cancelled run and release their reservations itself."""
_BATCH = 500


@dataclass(slots=True)
class ReservationChange:
    """The change that one write makes to a step's reservation: it releases `released` and reserves `asked` tokens."""

    record: StepRecord
    released: int
    asked: int = 0
    is_unlimited: bool = False
    """Whether a reservation was requested and the plan has no limit."""
    shortage: Shortage | None = None
    """Why the reservation was refused; None if it was not."""

    @property
    def held(self) -> int:
        """Tokens that the step holds after the write."""
        return 0 if self.shortage is not None else self.asked

    def is_durable(self) -> None:
        """Apply the change to the step's record, after the commit."""
        reservation = self.record.reservation
        reservation.held = self.held
        if self.asked or self.is_unlimited:
            reservation.asked, reservation.shortage = 0, self.shortage
            reservation.is_used, reservation.is_unlimited = self.held > 0, self.is_unlimited


def change(record: StepRecord, limit: int | None) -> ReservationChange | None:
    """The change that a write of the record makes; None if it makes none.

    Args:
        record: the record to write.
        limit: the plan's credits per month. Only used if the record requests a reservation.
    """
    reservation = record.reservation
    if wants(record):
        asked = 0 if limit is None else reservation.asked
        return ReservationChange(record, reservation.held, asked, is_unlimited=limit is None)
    if reservation.held and (record.is_final or not reservation.is_used):
        return ReservationChange(record, reservation.held)
    return None


def wants(record: StepRecord) -> bool:
    """Whether a write of the record requests a reservation and therefore needs the plan."""
    return bool(record.reservation.asked) and not record.is_final


async def reserve(
    session: Session,
    workspace_id: UUID,
    asking: Sequence[ReservationChange],
    plan: Plan,
    now: datetime,
) -> None:
    """Reserve tokens for several calls of a workspace: together if they all fit, otherwise for those that fit."""
    limit = (plan.credits_per_month or 0) * usage.TOKENS_PER_CREDIT
    parameters = {"workspace": workspace_id, "limit": limit, **usage.months(now)}
    total = sum(each.asked for each in asking)
    if (await session.execute(_RESERVE, {**parameters, "tokens": total})).rowcount:
        return
    for each in asking:
        one = {**parameters, "tokens": each.asked}
        if len(asking) > 1 and (await session.execute(_RESERVE, one)).rowcount:
            continue
        row = (await session.execute(_SEE, parameters)).one()
        each.shortage = Shortage(plan.name, limit, used=row.used, reserved=row.credit_reserved)
    refused = [each.record.id for each in asking if each.shortage is not None]
    if refused:
        await session.execute(_EMPTY.where(run_steps.c.id.in_(refused)))


async def settle_lost(session: Session, lost: Iterable[ClaimedRun]) -> None:
    """Release the reservations of calls whose processes are gone, and count what these calls had sent."""
    now = clock.now()
    steps: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    counted: list[usage.Used] = []
    held: defaultdict[UUID, int] = defaultdict(int)
    tokens: defaultdict[UUID, int] = defaultdict(int)
    for run in lost:
        records = [record for record in run.steps.values() if record.reservation.held]
        if not records:
            continue
        held[run.workspace_id] += sum(record.reservation.held for record in records)
        tally, used_since = Tally(), list[Meter]()
        for record in records:
            _count_lost(record)
            used_since.append(record.meter.since(record.stored_meter))
            tally.add_meter(record.model, used_since[-1], run.models)
            record.stored_meter = replace(record.meter)
            steps.append({"row_id": record.id, "reserved_tokens": 0, **used(record.meter)})
        run.models |= tally.models
        tokens[run.workspace_id] += tally.credit_tokens
        moved.append(statements.moved(run.id, 0, used_since))
        counted.append(usage.Used(run.workspace_id, run.pipeline_id, run.caller_id, tally, now))
    if not steps:
        return
    await session.execute(statements.MOVE, moved)
    await session.execute(statements.CHANGE_STEP, steps)
    for workspace_id in sorted(held):
        await usage.count_credits(session, workspace_id, tokens[workspace_id], now)
        await _release(session, workspace_id, held[workspace_id])
    await usage.add_many(session, counted)


def _count_lost(record: StepRecord) -> None:
    """Count what the last call had sent, at most what it has reserved. Its process is gone, so nobody knows the rest."""
    held, record.reservation = record.reservation.held, Reservation()
    if not record.operations:
        return
    lost = record.operations[-1].meter
    found = Usage(lost.input_tokens, lost.cached_tokens, lost.output_tokens, estimated=True)
    if tokens := lost.input_tokens + lost.output_tokens:
        record.meter.add(found, min(tokens, held), lost.cost if lost.cost_complete else None)


async def release_cancelled(session: Session, run: ClaimedRun, record: StepRecord) -> None:
    """Release the reservation of a cancelled step, unless it has already been released."""
    held = record.reservation.held
    if not held:
        return
    emptied = await session.execute(
        _EMPTY.where(run_steps.c.id == record.id, run_steps.c.reserved_tokens == held)
    )
    if emptied.rowcount:
        await _release(session, run.workspace_id, held)


async def settle_left_over(database: Database) -> int:
    """Settle up to 500 reservations of runs that ended over 30 s ago and whose worker did not settle them.

    Returns:
        The number of runs whose reservations were settled.

    Raises:
        StoreUnavailable: the reservations remain until the next call.
    """
    left_over = (
        sa.select(runs.c.id)
        .join(run_steps, runs.c.id == run_steps.c.run_id)
        .where(
            run_steps.c.reserved_tokens > sa.literal_column("0"),
            # No index contains this expression, so both stores begin with the few reserved steps. With the column alone,
            # SQLite would read all ended runs.
            sa.func.coalesce(runs.c.completed_at, runs.c.completed_at)
            < clock.now() - _LEFT_OVER_AFTER,
        )
        .limit(_BATCH)
    )
    async with database.reading() as session:
        if not (await session.execute(left_over.limit(1))).all():
            return 0
    async with database.transaction() as session:
        locked = left_over.with_for_update(of=runs, skip_locked=True)
        ids = set((await session.execute(locked)).scalars())
        rows = await session.execute(sa.select(*CLAIMED).where(runs.c.id.in_(ids)))
        found = {row.id: claimed(row) for row in rows}
        await reading.load(session, found)
        await operations.load(session, found.values())
        await settle_lost(session, found.values())
    log.warning("credits_settled", runs=len(found))
    return len(found)


async def _release(session: Session, workspace_id: UUID, tokens: int) -> None:
    await session.execute(_RELEASE, {"workspace": workspace_id, "tokens": tokens})


def _parameter(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.BigInteger)


_WORKSPACE = workspaces.c.id == sa.bindparam("workspace", type_=sa.Uuid)
_USED = usage.credit_tokens()
_RESERVE = (
    workspaces.update()
    .where(
        _WORKSPACE,
        _USED + workspaces.c.credit_reserved + _parameter("tokens") <= _parameter("limit"),
    )
    .values(credit_reserved=workspaces.c.credit_reserved + _parameter("tokens"))
)
_RELEASE = (
    workspaces.update()
    .where(_WORKSPACE)
    .values(credit_reserved=workspaces.c.credit_reserved - _parameter("tokens"))
)
_SEE = sa.select(_USED.label("used"), workspaces.c.credit_reserved).where(_WORKSPACE)
_EMPTY = run_steps.update().values(reserved_tokens=0)
