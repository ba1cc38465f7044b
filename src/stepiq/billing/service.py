"""What a plan allows: the one place that others ask."""

from stepiq.billing.errors import PlanCronDisabled, PlanStepsExceeded, PlanWebhooksDisabled
from stepiq.billing.plans import Plan


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
    """Check that runs may be started by the clock.

    Raises:
        PlanCronDisabled: the plan has no schedules.
    """
    if not plan.cron:
        raise PlanCronDisabled(plan.name)
