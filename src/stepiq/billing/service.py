"""Checks of plan limits, and the usage of a workspace."""

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
from stepiq.billing.records import GroupBy, Period, UsageEntry, UsageReport
from stepiq.core import clock
from stepiq.execution import quotas
from stepiq.execution.usage import credits_remaining
from stepiq.store.database import Session

MAX_DAYS = 366
"""Maximum days in one response."""
SERIES_LIMIT = 100
"""Maximum models or pipelines in one response."""


def require_steps(plan: Plan, steps: int) -> None:
    """Check the number of steps of a pipeline.

    Raises:
        PlanStepsExceeded: it has more steps than the plan allows.
    """
    if plan.steps is not None and steps > plan.steps:
        raise PlanStepsExceeded(plan.name, plan.steps, steps)


def require_webhooks(plan: Plan) -> None:
    """Check that the plan includes webhooks.

    Raises:
        PlanWebhooksDisabled: it does not.
    """
    if not plan.webhooks:
        raise PlanWebhooksDisabled(plan.name)


def require_cron(plan: Plan) -> None:
    """Check that the plan includes schedules.

    Raises:
        PlanCronDisabled: it does not.
    """
    if not plan.cron:
        raise PlanCronDisabled(plan.name)


def require_pipelines(plan: Plan, others: int) -> None:
    """Check that one more pipeline may be active.

    Args:
        plan: the plan of the workspace.
        others: the number of active pipelines. Counting can stop at the plan's limit.

    Raises:
        PlanPipelinesExceeded: the plan's limit is reached.
    """
    if plan.pipelines is not None and others >= plan.pipelines:
        raise PlanPipelinesExceeded(plan.name, plan.pipelines)


def period(first: date | None, last: date | None) -> Period:
    """The requested period; by default this month up to today.

    Raises:
        PeriodInvalid: the last day is before the first, or the period has more than 366 days.
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
) -> UsageReport:
    """Usage of the actor's workspace in a period. Reads rollups and counters, never runs."""
    moment = clock.now()
    counters = await queries.now(session, actor.workspace_id, moment)
    by_day = group_by is GroupBy.DAY
    statement = queries.series_statement(
        actor.workspace_id, wanted, group_by, limit=MAX_DAYS if by_day else SERIES_LIMIT + 1
    )
    entries = await queries.series(session, statement)
    includes_today = wanted.first <= moment.date() <= wanted.last
    return UsageReport(
        period=wanted,
        totals=await queries.totals(session, actor.workspace_id, wanted),
        unfinished_runs=counters.unfinished_runs if includes_today else 0,
        credits_remaining=credits_remaining(plan.credits_per_month, counters.credit_tokens),
        quotas=await quotas.states(session, actor.workspace_id, plan),
        series=_every_day(wanted, entries) if by_day else entries[:SERIES_LIMIT],
        series_complete=by_day or len(entries) <= SERIES_LIMIT,
    )


def _every_day(wanted: Period, entries: list[UsageEntry]) -> list[UsageEntry]:
    found = {entry.key: entry for entry in entries}
    days = [str(wanted.first + timedelta(days=number)) for number in range(wanted.days)]
    return [found.get(day, UsageEntry(day)) for day in days]
