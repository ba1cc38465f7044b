"""Counting runs of a workspace in, in one statement: the counters on its row make the decision without a scan."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stepiq.execution import usage
from stepiq.execution.records import NewRun
from stepiq.store.tables import workspaces

# More than any workspace will ever have.
_UNLIMITED = 1_000_000_000_000


def parameters(wanted: Sequence[NewRun], now: datetime) -> dict[str, Any]:
    """What `COUNT_IN` and `SEE` ask for."""
    plan = wanted[0].plan
    needs_credits = any(run.spends_credits for run in wanted)
    return {
        "workspace": wanted[0].workspace_id,
        "number": len(wanted),
        "at_once": _or_unlimited(plan.runs_at_once),
        "queued": _or_unlimited(plan.runs_queued),
        "per_day": _or_unlimited(plan.runs_per_day),
        "credits": _or_unlimited(plan.credits_per_month if needs_credits else None),
        "day": usage.day_of(now),
        "month": usage.month_of(now),
    }


def _or_unlimited(limit: int | None) -> int:
    return _UNLIMITED if limit is None else limit


def _statements() -> tuple[sa.Executable, sa.Executable]:
    """Count some runs of a workspace in if there is place for all of them; see how many there is place for.

    Made once: to put them together takes longer than to execute them.
    """
    admitted, unfinished = workspaces.c.admitted_runs, workspaces.c.unfinished_runs
    number, at_once, queued, per_day, credits_ = (
        sa.bindparam(name, type_=sa.BigInteger)
        for name in ("number", "at_once", "queued", "per_day", "credits")
    )
    day, month = (sa.bindparam(name, type_=sa.Text) for name in ("day", "month"))
    today, tokens = usage.runs_today(day), usage.credit_tokens(month)
    held = unfinished - admitted
    # More than the slots are taken where the plan has been lowered.
    free = sa.case((admitted < at_once, at_once - admitted), else_=0)
    # Nobody passes a held run.
    slots = sa.case((held > 0, 0), (free < number, free), else_=number)
    # While somebody is held, each run that comes in lets the oldest have a free slot, but has to find a place in the queue.
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
            runs_day=day,
            runs_today=today + number,
        )
        .returning(unfinished, admitted)
    )
    see = sa.select(today.label("today"), tokens.label("tokens"), room.label("room"))
    return count_in, see.where(of_workspace).with_for_update(key_share=True)


COUNT_IN, SEE = _statements()
