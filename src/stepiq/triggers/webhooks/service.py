"""What an inbound webhook may start."""

from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.billing import service as billing
from stepiq.billing.plans import Plan
from stepiq.core.errors import StepIQError
from stepiq.core.json import Json
from stepiq.engine.runtime import Engine
from stepiq.language.data import is_object
from stepiq.pipelines import service as pipelines
from stepiq.runs import service as runs
from stepiq.runs.records import Started
from stepiq.store.database import Session
from stepiq.store.states import TriggerType
from stepiq.triggers.webhooks.errors import PayloadInvalid


async def receive(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    body: Json | StepIQError,
    *,
    engine: Engine,
    plan: Plan,
) -> Started:
    """Start a run with what a webhook sent: the object under `input_data` if there is one, else the whole body.

    What was wrong with reading the body is an argument like any other, because it counts only after pipeline and plan.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
        PlanWebhooksDisabled: the plan has no webhooks.
        StepIQError: `body`, if it is one.
        PayloadInvalid: the body is not an object.
        InputInvalid: it does not fit the pipeline's schema; one issue per field.
        PlanRunsExhausted, PlanCreditsExhausted, QueueFull: the plan allows no more.
    """
    target = await pipelines.target(session, actor, pipeline_id)
    billing.require_webhooks(plan)
    if isinstance(body, StepIQError):
        raise body
    return await runs.start(
        session,
        actor,
        target,
        engine=engine,
        plan=plan,
        trigger=TriggerType.WEBHOOK,
        input_data=payload_of(body),
    )


def payload_of(body: Json) -> dict[str, Json]:
    """The input in a webhook's body.

    Raises:
        PayloadInvalid: the body is not an object.
    """
    if not is_object(body):
        raise PayloadInvalid
    inner = body.get("input_data")
    return inner if is_object(inner) else body
