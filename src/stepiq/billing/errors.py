"""Errors of plans and usage. Messages about a limit name it, its value, and how an operator can raise it."""

from datetime import date

from stepiq.core.errors import Forbidden, Invalid
from stepiq.execution.limits.runs import how_to_raise


class PlanStepsExceeded(Forbidden):
    """The pipeline has more steps than the plan allows."""

    code = "plan_steps_exceeded"

    def __init__(self, plan: str, limit: int, steps: int) -> None:
        super().__init__(
            f"The pipeline has {steps} steps, but plan `{plan}` allows {limit} steps per pipeline. "
            + how_to_raise(plan, f"steps = {steps}"),
            plan=plan,
            limit=limit,
            steps=steps,
        )


class PlanWebhooksDisabled(Forbidden):
    """The plan does not include webhooks: neither inbound ones nor delivery targets."""

    code = "plan_webhooks_disabled"

    def __init__(self, plan: str) -> None:
        super().__init__(
            f"Plan `{plan}` does not include webhooks (webhooks = false). "
            + how_to_raise(plan, "webhooks = true"),
            plan=plan,
        )


class PlanCronDisabled(Forbidden):
    """The plan does not include schedules."""

    code = "plan_cron_disabled"

    def __init__(self, plan: str) -> None:
        super().__init__(
            f"Plan `{plan}` does not include schedules (cron = false). "
            + how_to_raise(plan, "cron = true"),
            plan=plan,
        )


class PlanPipelinesExceeded(Forbidden):
    """The workspace has reached the plan's limit of active pipelines."""

    code = "plan_pipelines_exceeded"

    def __init__(self, plan: str, limit: int) -> None:
        super().__init__(
            f"Plan `{plan}` allows {limit} active pipelines, and the workspace has reached this limit. Archive a pipeline first. "
            + how_to_raise(plan, f"pipelines = {limit + 1}"),
            plan=plan,
            limit=limit,
        )


class PeriodInvalid(Invalid):
    """The period of usage is empty or too long."""

    code = "period_invalid"

    def __init__(self, first: date, last: date, limit: int) -> None:
        super().__init__(
            f"`from` is {first} and `to` is {last}. `from` must not be after `to`, and the period must have at most {limit} days.",
        )
