"""Route of usage."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator, WithJsonSchema

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing import schemas, service
from stepiq.billing.errors import PeriodInvalid
from stepiq.billing.http import BillingServicesDep
from stepiq.billing.records import GroupBy, Period
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.transactions import Read

router = new_router("Usage")


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
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


@router.get("/user/usage", responses=problems(PeriodInvalid, ScopeMissing))
async def get_usage(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)],
    services: BillingServicesDep,
    read: Read,
    period: Annotated[Period, Depends(_period)],
    group_by: Annotated[
        GroupBy, Query(description="What the entries of `series` are.")
    ] = GroupBy.DAY,
) -> schemas.UsageView:
    """Tokens, cost, credits and runs of the workspace in a period of up to 366 days.

    Tokens and cost count on the day of the call, a run counts on the day of its end. `series` has every day of the period,
    or the 100 models or pipelines with the most tokens.
    """
    plan = services.plans.get(caller.plan)
    return schemas.usage_view(await service.usage(read, caller, plan, period, group_by))
