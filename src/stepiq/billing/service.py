"""What a plan allows, the one place that others ask; and what a workspace has used."""

from datetime import date, timedelta

from stepiq.accounts.actor import Actor
from stepiq.billing import queries
from stepiq.billing.errors import (
    PeriodInvalid,
    PlanCronDisabled,
    PlanPipelinesExceeded,
    PlanStepsExceeded,
    PlanWebhooksDisabled,
)
from stepiq.billing.plans import Plan
from stepiq.billing.records import Entry, GroupBy, Period, Usage
from stepiq.core import clock
from stepiq.execution import quotas
from stepiq.execution.usage import credits_remaining
from stepiq.store.database import Session

MAX_DAYS = 366
"""Of usage in one answer."""
SERIES_LIMIT = 100
"""Models or pipelines in one answer."""


def require_steps(plan: Plan, steps: int) -> None:
    """Check how many steps a pipeline has.

    Raises:
        PlanStepsExceeded: more than the plan allows.
    """
    if plan.steps is not None and steps > plan.steps:
        raise PlanStepsExceeded(plan.name, plan.steps, steps)


def require_webhooks(plan: Plan) -> None:
    """Check that webhooks may be used.

    Raises:
        PlanWebhooksDisabled: the plan has none.
    """
    if not plan.webhooks:
        raise PlanWebhooksDisabled(plan.name)


def require_cron(plan: Plan) -> None:
    """Check that schedules may be used.

    Raises:
        PlanCronDisabled: the plan has none.
    """
    if not plan.cron:
        raise PlanCronDisabled(plan.name)


def require_pipelines(plan: Plan, others: int) -> None:
    """Check that one more pipeline may be active.

    Args:
        plan: the workspace's.
        others: how many are active now; counting need not go beyond the plan's limit.

    Raises:
        PlanPipelinesExceeded: they are as many as the plan allows.
    """
    if plan.pipelines is not None and others >= plan.pipelines:
        raise PlanPipelinesExceeded(plan.name, plan.pipelines)


def period(first: date | None, last: date | None) -> Period:
    """The days that somebody asks for; by default this month up to today.

    Raises:
        PeriodInvalid: the last comes before the first, or there are more than 366.
    """
    if last is None:
        today = clock.now().date()
        last = today if first is None else max(first, today)
    wanted = Period(last.replace(day=1) if first is None else first, last)
    if not 1 <= wanted.days <= MAX_DAYS:
        raise PeriodInvalid(wanted.first, wanted.last, MAX_DAYS)
    return wanted


async def usage(
    session: Session, actor: Actor, plan: Plan, wanted: Period, group_by: GroupBy
) -> Usage:
    """What the actor's workspace has used in a period. Reads rollups and counters, however many runs there are."""
    moment = clock.now()
    counters = await queries.now(session, actor.workspace_id, moment)
    by_day = group_by is GroupBy.DAY
    statement = queries.series_statement(
        actor.workspace_id, wanted, group_by, limit=MAX_DAYS if by_day else SERIES_LIMIT + 1
    )
    entries = await queries.series(session, statement)
    includes_today = wanted.first <= moment.date() <= wanted.last
    return Usage(
        period=wanted,
        totals=await queries.totals(session, actor.workspace_id, wanted),
        unfinished_runs=counters.unfinished_runs if includes_today else 0,
        credits_remaining=credits_remaining(plan.credits_per_month, counters.credit_tokens),
        quotas=await quotas.states(session, actor.workspace_id, plan),
        series=_every_day(wanted, entries) if by_day else entries[:SERIES_LIMIT],
        series_complete=by_day or len(entries) <= SERIES_LIMIT,
    )


def _every_day(wanted: Period, entries: list[Entry]) -> list[Entry]:
    found = {entry.key: entry for entry in entries}
    days = [str(wanted.first + timedelta(days=number)) for number in range(wanted.days)]
    return [found.get(day, Entry(day)) for day in days]
