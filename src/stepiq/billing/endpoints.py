"""Route of usage."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response
from pydantic import BeforeValidator, WithJsonSchema

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing import schemas, service, usage_csv
from stepiq.billing.errors import PeriodInvalid
from stepiq.billing.records import GroupBy, Period
from stepiq.web.bodies import router as new_router
from stepiq.web.negotiation import prefers
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read

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
    response_model=schemas.UsageView,
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
) -> schemas.UsageView | Response:
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
        return Response(usage_csv.render(found), media_type=CSV_TYPE, headers=headers)
    response.headers.update(vary)
    return schemas.usage_view(found)
