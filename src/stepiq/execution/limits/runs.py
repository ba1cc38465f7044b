"""The limits of a plan on runs, and the errors for reached limits."""

from datetime import datetime, timedelta

from stepiq.core import clock
from stepiq.core.errors import Forbidden, LimitReached


class QueueFull(LimitReached):
    """The workspace has reached the plan's limit of waiting runs."""

    code = "queue_full"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit:,} runs of this workspace are waiting, which is the maximum of its plan. Wait until some of them end, or "
            "cancel some. An administrator can raise the limit of this workspace: `stepiq workspaces limits ID runs_queued=…`.",
            limit=limit,
        )


class PlanRunsExhausted(Forbidden):
    """The workspace has reached the plan's limit of runs per day."""

    code = "plan_runs_exhausted"

    def __init__(self, plan: str, limit: int) -> None:
        resets_at = tomorrow(clock.now())
        super().__init__(
            f"Plan `{plan}` allows {limit:,} runs per day, and the workspace has reached this limit today. New runs can start at "
            f"{clock.iso(resets_at)}. " + how_to_raise(plan, "runs_per_day = …"),
            plan=plan,
            limit=limit,
        )


class PlanCreditsExhausted(Forbidden):
    """The pipeline uses a model that costs credits, and the workspace has none left this month."""

    code = "plan_credits_exhausted"

    def __init__(self, plan: str, limit: int) -> None:
        resets_at = next_month(clock.now())
        super().__init__(
            f"Plan `{plan}` allows {limit:,} credits per month, and the workspace has used all of them. New credits are available from "
            f"{clock.iso(resets_at)}. Pipelines whose models cost no credits can still run. "
            + how_to_raise(plan, "credits_per_month = …"),
            plan=plan,
            limit=limit,
        )


def how_to_raise(plan: str, setting: str) -> str:
    """The last sentence of every plan refusal. `setting` is a line of the config file."""
    change = setting.replace(" = ", "=")
    return (
        f"An administrator can raise the limit of this workspace with `stepiq workspaces limits ID {change}`, "
        f"or of all workspaces of the plan with `{setting}` under `[plans.{plan}]` in `stepiq.toml`."
    )


def tomorrow(moment: datetime) -> datetime:
    """Start of the next day in UTC."""
    return _midnight(moment) + timedelta(days=1)


def next_month(moment: datetime) -> datetime:
    """Start of the next month in UTC."""
    # 32 days after the first of a month is always in the next month.
    return (_midnight(moment).replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
