"""What the store knows of reserved credits: each model call reserves what it may cost, and gives it back afterwards.

`steps.spending` asks for reservations, and the journal writes them with the steps' rows. The workspace's row has the
number of all reserved tokens, and each step's row has its part of it. The claim of a run releases what its steps hold from
an earlier claim, and `release_left_over` releases what the steps of an ended run still hold.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock, logging
from stepiq.execution import usage
from stepiq.execution.limits import RunLimits
from stepiq.execution.records import ClaimedRun, Reservation, Shortage, StepRecord
from stepiq.store.database import Database, Session
from stepiq.store.tables import run_steps, runs, workspaces

log = logging.get(__name__)

_LEFT_OVER_AFTER = timedelta(seconds=30)
"""A worker may need some time to stop the calls of a cancelled run."""
_BATCH = 500


@dataclass(slots=True)
class ReservationChange:
    """What one write does to a step's reservation: it releases what is held, and reserves what is asked for."""

    record: StepRecord
    released: int
    asked: int = 0
    is_unlimited: bool = False
    """Something was asked for, and the plan has no limit."""
    shortage: Shortage | None = None
    """Why `asked` was refused, if it was."""

    @property
    def held(self) -> int:
        """What the step holds after the write."""
        return 0 if self.shortage is not None else self.asked

    def is_durable(self) -> None:
        """Note the result in the record."""
        reservation = self.record.reservation
        reservation.held = self.held
        if self.asked or self.is_unlimited:
            reservation.asked, reservation.shortage = 0, self.shortage
            reservation.is_used, reservation.is_unlimited = self.held > 0, self.is_unlimited


def change(record: StepRecord, limit: int | None) -> ReservationChange | None:
    """What a write of the record changes; None for nothing.

    Args:
        record: which is written.
        limit: credits of the plan, if any are asked for.
    """
    reservation = record.reservation
    if wants(record):
        asked = 0 if limit is None else reservation.asked
        return ReservationChange(record, reservation.held, asked, is_unlimited=limit is None)
    if reservation.held and (record.is_final or not reservation.is_used):
        return ReservationChange(record, reservation.held)
    return None


def wants(record: StepRecord) -> bool:
    """Whether a write of the record reserves something, so that the plan has to be known."""
    return bool(record.reservation.asked) and not record.is_final


async def reserve(
    session: Session,
    workspace_id: UUID,
    asking: Sequence[ReservationChange],
    plan: RunLimits,
    now: datetime,
) -> None:
    """Reserve what several calls of a workspace may cost: all at once if they fit together, else those that fit."""
    limit = (plan.credits_per_month or 0) * usage.TOKENS_PER_CREDIT
    month = usage.month_of(now)
    parameters = {"workspace": workspace_id, "month": month, "limit": limit}
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


async def release_of(session: Session, claimed: Sequence[ClaimedRun]) -> None:
    """Release what steps of runs hold from an earlier claim: the calls it was for are gone."""
    held: defaultdict[UUID, int] = defaultdict(int)
    steps: list[UUID] = []
    for run in claimed:
        for record in run.steps.values():
            if record.reservation.held:
                held[run.workspace_id] += record.reservation.held
                steps.append(record.id)
                record.reservation = Reservation()
    if steps:
        await session.execute(_EMPTY.where(run_steps.c.id.in_(steps)))
        await _release(session, held)


async def release_cancelled(session: Session, run: ClaimedRun, record: StepRecord) -> None:
    """Release what a cancelled step holds, unless somebody else has by now."""
    held = record.reservation.held
    if not held:
        return
    emptied = await session.execute(
        _EMPTY.where(run_steps.c.id == record.id, run_steps.c.reserved_tokens == held)
    )
    if emptied.rowcount:
        await _release(session, {run.workspace_id: held})


async def release_left_over(database: Database) -> int:
    """Release what runs hold that ended half a minute ago, because their worker was gone or could not write.

    Raises:
        StoreUnavailable: it stays reserved until the next try.
    """
    left_over = (
        sa.select(run_steps.c.id, run_steps.c.reserved_tokens, runs.c.workspace_id)
        .join(runs, runs.c.id == run_steps.c.run_id)
        .where(
            run_steps.c.reserved_tokens > sa.literal_column("0"),
            runs.c.completed_at < clock.now() - _LEFT_OVER_AFTER,
        )
        .limit(_BATCH)
    )
    async with database.reading() as session:
        if not (await session.execute(left_over.limit(1))).all():
            return 0
    async with database.transaction() as session:
        locked = left_over.with_for_update(of=run_steps, skip_locked=True)
        rows = (await session.execute(locked)).all()
        held: defaultdict[UUID, int] = defaultdict(int)
        for row in rows:
            held[row.workspace_id] += row.reserved_tokens
        await session.execute(_EMPTY.where(run_steps.c.id.in_([row.id for row in rows])))
        await _release(session, held)
    log.warning("credits_released", steps=len(rows))
    return len(rows)


async def _release(session: Session, held: dict[UUID, int]) -> None:
    for workspace_id in sorted(held):
        await session.execute(_RELEASE, {"workspace": workspace_id, "tokens": held[workspace_id]})


def _parameter(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.BigInteger)


_WORKSPACE = workspaces.c.id == sa.bindparam("workspace", type_=sa.Uuid)
_USED = usage.credit_tokens(sa.bindparam("month", type_=sa.Text))
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
