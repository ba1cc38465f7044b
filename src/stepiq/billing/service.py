"""What a plan allows: the one place that others ask."""

from stepiq.billing.errors import (
    PlanCronDisabled,
    PlanPipelinesExceeded,
    PlanStepsExceeded,
    PlanWebhooksDisabled,
)
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
    """Check that schedules may be used.

    Raises:
        PlanCronDisabled: the plan has none.
    """
    if not plan.cron:
        raise PlanCronDisabled(plan.name)


def require_pipelines(plan: Plan, others: int) -> None:
    """Check that one more pipeline may be active.

    Args:
        plan: the workspace's.
        others: how many are active now; counting need not go beyond the plan's limit.

    Raises:
        PlanPipelinesExceeded: they are as many as the plan allows.
    """
    if plan.pipelines is not None and others >= plan.pipelines:
        raise PlanPipelinesExceeded(plan.name, plan.pipelines)
