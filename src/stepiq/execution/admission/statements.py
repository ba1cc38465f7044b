"""SQL of admission: locks a run, and counts runs in.

One statement counts runs in: it decides by the counters on the workspace's row, without a scan.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.execution.limits import usage
from stepiq.execution.records.run import NewRun
from stepiq.queue.ticket import Queue
from stepiq.queue.ticket_statements import is_waiting
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import PLAN
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs, workspaces

# More than any workspace can reach.
_UNLIMITED = 1_000_000_000_000


async def lock_run(session: Session, workspace_id: UUID, run_id: UUID) -> RunStatus | None:
    """Lock a run of the workspace until this transaction ends; returns its status."""
    # A run that waits for a slot gets its ticket in a transaction that has locked the workspace's row. Locking that row
    # first prevents a deadlock.
    await session.execute(
        sa.select(workspaces.c.id)
        .join(runs, runs.c.workspace_id == workspaces.c.id)
        .where(runs.c.id == run_id, workspaces.c.id == workspace_id, runs.c.ticket == 0)
        .with_for_update(of=workspaces, key_share=True)
    )
    status = await session.scalar(
        sa.select(runs.c.status)
        .where(runs.c.id == run_id, runs.c.workspace_id == workspace_id)
        .with_for_update(key_share=True)
    )
    return None if status is None else RunStatus(status)


def parameters(wanted: Sequence[NewRun], now: datetime) -> dict[str, Any]:
    """Parameters of `COUNT_IN` and `SEE`. All runs are of one workspace."""
    plan = wanted[0].plan
    needs_credits = any(run.spends_credits for run in wanted)
    return {
        "workspace": wanted[0].workspace_id,
        "number": len(wanted),
        "at_once": _or_unlimited(plan.runs_at_once),
        "queued": _or_unlimited(plan.runs_queued),
        "per_day": _or_unlimited(plan.runs_per_day),
        "credits": _or_unlimited(plan.credits_per_month if needs_credits else None),
        **usage.days(now),
        **usage.months(now),
    }


def _or_unlimited(limit: int | None) -> int:
    return _UNLIMITED if limit is None else limit


def _statements() -> tuple[dict[str, sa.Executable], sa.Executable]:
    """Build two statements: one counts runs in if all of them fit, the other reads how many would fit.

    The first is built for each dialect. Its `has_waiting` is whether a ticket of any run waits for a worker.

    Built once, because building them takes longer than executing them.
    """
    admitted, unfinished = workspaces.c.admitted_runs, workspaces.c.unfinished_runs
    number, at_once, queued, per_day, credits_ = (
        sa.bindparam(name, type_=sa.BigInteger)
        for name in ("number", "at_once", "queued", "per_day", "credits")
    )
    today, tokens = usage.runs_today(), usage.credit_tokens()
    held = unfinished - admitted
    # After the plan was lowered, more runs may be admitted than it allows.
    free = sa.case((admitted < at_once, at_once - admitted), else_=0)
    # No run overtakes a held one.
    slots = sa.case((held > 0, 0), (free < number, free), else_=number)
    # While runs are held, free slots go to the oldest of them, and a new run needs room in the queue.
    room = sa.case((sa.and_(held > 0, held >= queued), 0), else_=free + queued - held)
    of_workspace = workspaces.c.id == sa.bindparam("workspace", type_=sa.Uuid)
    count_in = (
        workspaces.update()
        .where(
            of_workspace,
            number <= room,
            today + number <= per_day,
            tokens < credits_ * usage.TOKENS_PER_CREDIT,
        )
        .values(
            unfinished_runs=unfinished + number,
            admitted_runs=admitted + slots,
            runs_day=usage.DAY.counted(workspaces.c.runs_day),
            runs_today=today + number,
        )
        .returning(unfinished, admitted)
    )
    by_dialect: dict[str, sa.Executable] = {
        dialect: count_in.returning(
            sa.literal_column(is_waiting(dialect, Queue.RUNS.lanes), sa.Boolean()).label(
                "has_waiting"
            )
        )
        for dialect in ("sqlite", "postgresql")
    }
    see = sa.select(today.label("today"), tokens.label("tokens"), room.label("room"))
    return by_dialect, see.where(of_workspace).with_for_update(key_share=True)


COUNT_IN, SEE = _statements()
SLOTS = (workspaces.c.unfinished_runs, workspaces.c.admitted_runs, PLAN)


def _less(column: sa.Column[int], name: str) -> sa.ColumnElement[int]:
    return column - sa.bindparam(name, type_=sa.BigInteger)


RELEASE = (
    workspaces.update()
    .where(workspaces.c.id == sa.bindparam("workspace", type_=sa.Uuid))
    .values(
        unfinished_runs=_less(workspaces.c.unfinished_runs, "runs"),
        admitted_runs=_less(workspaces.c.admitted_runs, "slots"),
        credit_reserved=_less(workspaces.c.credit_reserved, "reserved"),
    )
    .returning(*SLOTS)
)
RELEASE_AND_COUNT_CREDITS = RELEASE.values(usage.CREDITS_COUNTED)
