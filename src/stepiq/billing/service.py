"""What a plan allows: the one place that others ask."""

from stepiq.billing.errors import PlanStepsExceeded, PlanWebhooksDisabled
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
