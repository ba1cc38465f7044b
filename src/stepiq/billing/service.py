"""What a workspace's plan allows: the one place that others ask."""

from uuid import UUID

from stepiq.billing import queries
from stepiq.billing.errors import PlanStepsExceeded, PlanWebhooksDisabled, UnknownPlan
from stepiq.billing.plans import Plan, Plans
from stepiq.core import logging
from stepiq.store.database import Session

log = logging.get(__name__)

FALLBACK = "free"
"""Plan of a workspace whose own one has gone from the config file: it can read and run a little, nothing breaks."""


async def plan_of(session: Session, plans: Plans, workspace_id: UUID) -> Plan:
    """The workspace's plan; `free` when its own is no longer configured, which the log says."""
    name = await queries.plan_name(session, workspace_id)
    try:
        return plans.get(name)
    except UnknownPlan:
        log.warning("plan_missing", plan=name, workspace_id=str(workspace_id), used=FALLBACK)
        return plans.get(FALLBACK)


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
