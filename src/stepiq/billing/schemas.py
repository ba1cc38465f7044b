"""Shapes of usage in the API."""

from datetime import date

from pydantic import ConfigDict, Field

from stepiq.billing.records import DailyUsage, PlanLimit, UsageReport
from stepiq.execution.limits.quotas import Quota
from stepiq.execution.limits.usage import TOKENS_PER_CREDIT
from stepiq.web.bodies import Timestamp, View


class RunCountsView(View):
    """Runs by status."""

    total: int
    """Runs that ended in the period. If it includes today, also unfinished runs."""
    completed: int
    failed: int
    cancelled: int
    unfinished: int
    """Unfinished runs at this moment; 0 if the period does not include today."""


class TokenCountsView(View):
    """Tokens of all models."""

    input: int
    cached: int
    """Input tokens that providers read from their cache."""
    output: int
    total: int
    """The sum of `input` and `output`."""


class CreditsView(View):
    """One credit is 1,000 tokens of models that the server pays for."""

    used: int
    """Complete credits used in the period."""
    remaining: int | None
    """Credits left in this month, regardless of the period, including a partly used one. Null is unlimited."""


class UsageEntryView(View):
    """Usage of one day, model, pipeline or caller."""

    key: str
    """The day (YYYY-MM-DD, UTC), or the id of the model, the pipeline or what started the runs."""
    name: str | None
    """Name of the pipeline, or of the API key, user or schedule."""
    runs: int
    """Runs that ended; for a model, runs that used it."""
    tokens: int
    cost_usd_micros: int
    cost_complete: bool


class DailyUsageView(View):
    """Usage of one entry of `series` on one day."""

    day: date
    key: str | None
    """Null: all entries after the first 20."""
    runs: int
    tokens: int
    cost_usd_micros: int
    cost_complete: bool


class QuotaUsageView(View):
    """A limit of the workspace and its present value. It does not depend on the period."""

    name: PlanLimit | Quota
    """Name of the limit in the plan."""
    limit: int | None
    """Null is unlimited."""
    overridden: bool
    """Whether an administrator has set it for this workspace. It then replaces the limit of the plan."""
    used: int
    left: int | None
    """Null is unlimited."""
    resets_at: Timestamp | None
    """When `used` restarts at 0; null if it does not."""


class UsageView(View):
    """Usage of a workspace in a period of days (UTC)."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    """Inclusive."""
    runs: RunCountsView
    tokens: TokenCountsView
    cost_usd_micros: int
    """Calls to models with an unknown price count as 0."""
    cost_complete: bool
    """False if there were such calls."""
    credits: CreditsView
    quotas: list[QuotaUsageView]
    series: list[UsageEntryView]
    series_complete: bool
    """False if there are more than the 100 listed models, pipelines or callers."""
    daily: list[DailyUsageView] | None
    """Usage by day and entry, for days and entries with usage. Null without `by_day`."""


def usage_view(usage: UsageReport) -> UsageView:
    """Usage as the API shows it."""
    totals = usage.totals
    ended = totals.completed + totals.failed + totals.cancelled
    return UsageView(
        first=usage.period.first,
        last=usage.period.last,
        runs=RunCountsView(
            total=ended + usage.unfinished_runs,
            completed=totals.completed,
            failed=totals.failed,
            cancelled=totals.cancelled,
            unfinished=usage.unfinished_runs,
        ),
        tokens=TokenCountsView(
            input=totals.input_tokens,
            cached=totals.cached_tokens,
            output=totals.output_tokens,
            total=totals.input_tokens + totals.output_tokens,
        ),
        cost_usd_micros=totals.cost_usd_micros,
        cost_complete=totals.cost_complete,
        credits=CreditsView(
            used=totals.credit_tokens // TOKENS_PER_CREDIT, remaining=usage.credits_remaining
        ),
        quotas=[QuotaUsageView.model_validate(limit) for limit in usage.limits],
        series=[UsageEntryView.model_validate(entry) for entry in usage.series],
        series_complete=usage.series_complete,
        daily=None if usage.daily is None else [daily_view(each) for each in usage.daily],
    )


def daily_view(daily: DailyUsage) -> DailyUsageView:
    """Usage of one day as the API shows it."""
    return DailyUsageView(
        day=date.fromisoformat(daily.day),
        key=daily.key,
        runs=daily.runs,
        tokens=daily.tokens,
        cost_usd_micros=daily.cost_usd_micros,
        cost_complete=daily.cost_complete,
    )
