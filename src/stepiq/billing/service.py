"""Checks of plan limits, and the usage of a workspace."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from stepiq.accounts.actor import Actor
from stepiq.billing import queries
from stepiq.billing.errors import (
    PeriodInvalid,
    PlanCronDisabled,
    PlanPipelinesExceeded,
    PlanStepsExceeded,
    PlanWebhooksDisabled,
)
from stepiq.billing.records import (
    GroupBy,
    LimitState,
    Now,
    Period,
    PlanLimit,
    UsageEntry,
    UsageReport,
)
from stepiq.core import clock
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.execution.limits.runs import next_month, tomorrow
from stepiq.execution.limits.usage import TOKENS_PER_CREDIT, credits_remaining
from stepiq.store.database import Session

MAX_DAYS = 366
"""Maximum days in one response."""
SERIES_LIMIT = 100
"""Maximum models, pipelines or callers in one response."""
DAILY_LIMIT = 20
"""Maximum models, pipelines or callers with usage by day."""


def require_steps(plan: Plan, steps: int) -> None:
    """Check the number of steps of a pipeline. Raises PlanStepsExceeded if it has more steps than the plan allows."""
    if plan.steps is not None and steps > plan.steps:
        raise PlanStepsExceeded(plan.name, plan.steps, steps)


def require_webhooks(plan: Plan) -> None:
    """Check that the plan includes webhooks. Raises PlanWebhooksDisabled if it does not."""
    if not plan.webhooks:
        raise PlanWebhooksDisabled(plan.name)


def require_cron(plan: Plan) -> None:
    """Check that the plan includes schedules. Raises PlanCronDisabled if it does not."""
    if not plan.cron:
        raise PlanCronDisabled(plan.name)


def require_pipelines(plan: Plan, others: int) -> None:
    """Check that one more pipeline may be active.

    `others`: the number of active pipelines. Counting can stop at the plan's limit.

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
    session: Session,
    actor: Actor,
    plans: Plans,
    wanted: Period,
    group_by: GroupBy,
    *,
    by_day: bool = False,
) -> UsageReport:
    """Usage of the actor's workspace in a period. Reads rollups and counters, not the history of runs."""
    moment, plan = clock.now(), plans.get(actor.plan)
    counters = await queries.now(session, actor.workspace_id, moment)
    is_days = group_by is GroupBy.DAY
    statement = queries.series_statement(
        actor.workspace_id, wanted, group_by, limit=MAX_DAYS if is_days else SERIES_LIMIT + 1
    )
    entries = await queries.series(session, statement)
    daily = None
    if by_day:
        keys = [] if is_days else [entry.key for entry in entries[:DAILY_LIMIT]]
        daily = await queries.daily(
            session, queries.daily_statement(actor.workspace_id, wanted, group_by, keys)
        )
    overridden = plans.overridden(actor.plan)
    unfinished = counters.unfinished_runs + counters.waiting_runs
    includes_today = wanted.first <= moment.date() <= wanted.last
    return UsageReport(
        period=wanted,
        totals=await queries.totals(session, actor.workspace_id, wanted),
        unfinished_runs=unfinished if includes_today else 0,
        credits_remaining=credits_remaining(plan.credits_per_month, counters.credit_tokens),
        limits=[
            replace(each, overridden=each.name in overridden)
            for each in [
                *_limits(plan, counters, moment),
                *(
                    LimitState(each.name, each.limit, each.used, each.resets_at)
                    for each in await quotas.states(session, actor.workspace_id, plan)
                ),
            ]
        ],
        series=_every_day(wanted, entries) if is_days else entries[:SERIES_LIMIT],
        series_complete=is_days or len(entries) <= SERIES_LIMIT,
        daily=daily,
    )


def _limits(plan: Plan, now: Now, moment: datetime) -> list[LimitState]:
    """The limits of the plan on runs and pipelines."""
    states = {
        PlanLimit.CREDITS_PER_MONTH: (now.credit_tokens // TOKENS_PER_CREDIT, next_month(moment)),
        PlanLimit.RUNS_PER_DAY: (now.runs_today, tomorrow(moment)),
        PlanLimit.RUNS_AT_ONCE: (now.admitted_runs, None),
        PlanLimit.RUNS_QUEUED: (now.unfinished_runs - now.admitted_runs, None),
        PlanLimit.PIPELINES: (now.pipelines, None),
    }
    return [
        LimitState(name, None if (limit := plan.limits[name]) is None else int(limit), used, at)
        for name, (used, at) in states.items()
    ]


def _every_day(wanted: Period, entries: list[UsageEntry]) -> list[UsageEntry]:
    found = {entry.key: entry for entry in entries}
    days = [str(wanted.first + timedelta(days=number)) for number in range(wanted.days)]
    return [found.get(day, UsageEntry(day)) for day in days]
