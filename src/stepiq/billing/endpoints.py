"""Route of usage."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing import service
from stepiq.billing.errors import PeriodInvalid
from stepiq.billing.records import DailyUsage, GroupBy, Period, PlanLimit, UsageReport
from stepiq.execution.limits.quotas import Quota
from stepiq.execution.limits.usage import TOKENS_PER_CREDIT
from stepiq.web.bodies import Timestamp, View, prefers
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read

_AMOUNTS = ("runs", "tokens", "cost_usd_micros", "cost_complete")
# Spreadsheets evaluate cells that begin with one of these.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def render(usage: UsageReport) -> str:
    """The series of usage, or its usage by day if there is any, with a header."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = {entry.key: entry.name for entry in usage.series}
    if usage.daily is None:
        writer.writerow(["key", "name", *_AMOUNTS])
        writer.writerows(
            [_cell(entry.key), _cell(entry.name), *_amounts(entry)] for entry in usage.series
        )
    else:
        writer.writerow(["day", "key", "name", *_AMOUNTS])
        writer.writerows(_of_days(usage.daily, names))
    return text.getvalue()


def _of_days(daily: Iterable[DailyUsage], names: dict[str, str | None]) -> Iterable[list[object]]:
    for each in daily:
        name = None if each.key is None else names.get(each.key)
        yield [each.day, _cell(each.key), _cell(name), *_amounts(each)]


def _amounts(entry: object) -> list[object]:
    *numbers, is_complete = (getattr(entry, name) for name in _AMOUNTS)
    return [*numbers, "true" if is_complete else "false"]


def _cell(text: str | None) -> str:
    text = text or ""
    return f"'{text}" if text.startswith(_FORMULAS) else text


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
        daily=None
        if usage.daily is None
        else [DailyUsageView.model_validate(each) for each in usage.daily],
    )


router = new_router("Usage")

CSV_TYPE = "text/csv"


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
"""`fromisoformat` also reads other forms, such as `2026-W01-1`."""


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        if not _DATE.match(value):
            raise ValueError
        if "T" not in value.upper():
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).date()
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a day such as 2030-01-31, or a time with its time zone")


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


async def _period(
    first: Annotated[
        Day | None,
        Query(
            alias="from",
            description="First day (UTC). Default: the first day of the month of `to`.",
        ),
    ] = None,
    last: Annotated[
        Day | None, Query(alias="to", description="Last day, inclusive. Default: today.")
    ] = None,
) -> Period:
    return service.period(first, last)


class UsageFormat(StrEnum):
    """Format of the response."""

    JSON = "json"
    CSV = "csv"


_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {CSV_TYPE: {"schema": {"type": "string"}}}}
}


@router.get(
    "/user/usage",
    response_model=UsageView,
    responses={**_CSV, **problems(PeriodInvalid, ScopeMissing)},
)
async def get_usage(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)],
    services: ServicesDep,
    read: Read,
    response: Response,
    period: Annotated[Period, Depends(_period)],
    group_by: Annotated[
        GroupBy, Query(description="What the entries of `series` are.")
    ] = GroupBy.DAY,
    by_day: Annotated[
        bool, Query(description="Also list the usage of each day, for the first 20 entries.")
    ] = False,
    format_: Annotated[
        UsageFormat | None,
        Query(alias="format", description="`csv` for `series`, or with `by_day` for `daily`."),
    ] = None,
    accept: Annotated[str | None, Header(description="`text/csv` is `format=csv`.")] = None,
) -> UsageView | Response:
    """Tokens, cost, credits and runs of the workspace in a period of up to 366 days.

    Tokens and cost count on the day of the call, a run counts on the day of its end. `series` has every day of the period,
    or the 100 models, pipelines or callers with the most tokens.
    """
    found = await service.usage(read, caller, services.plans, period, group_by, by_day=by_day)
    wants_csv = format_ is UsageFormat.CSV or (format_ is None and prefers(accept, (CSV_TYPE,)))
    vary = {"Vary": "Accept"}
    if wants_csv:
        name = f"usage-{period.first}-{period.last}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', **vary}
        return Response(render(found), media_type=CSV_TYPE, headers=headers)
    response.headers.update(vary)
    return usage_view(found)
