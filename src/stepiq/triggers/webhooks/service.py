"""What an inbound webhook may start."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.billing import service as billing
from stepiq.billing.plans import Plan
from stepiq.core import ids
from stepiq.core.errors import StepIQError
from stepiq.core.json import Json
from stepiq.execution.records import NewRun
from stepiq.execution.runtime import Engine
from stepiq.language.data import is_object
from stepiq.language.definition import Definition
from stepiq.pipelines.records import Target
from stepiq.runs import service as runs
from stepiq.store.database import Session
from stepiq.store.states import TriggerType
from stepiq.triggers.webhooks.errors import PayloadInvalid
from stepiq.triggers.webhooks.inbox import Inbox


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a webhook sent."""

    headers: Mapping[str, str]
    """Looked up by lower-case name."""
    data: bytes
    """The body, which is what senders sign."""
    content: Json | StepIQError
    """What the body says, or why it cannot be read: that is told only after what counts before it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A webhook that may start a run."""

    run_id: UUID
    target: Target
    definition: Definition
    input_data: dict[str, Json]


async def check(
    actor: Actor, pipeline_id: UUID, arrived: Arrived, *, inbox: Inbox, plan: Plan
) -> Checked:
    """Check everything about a webhook that needs no transaction.

    The input is the object under `input_data` if there is one, else the whole body.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
        PlanWebhooksDisabled: the plan has no webhooks.
        SignatureInvalid, SignatureSecretMissing, SignatureSecretUnusable: the pipeline asks for its sender's
            signature, and this is none.
        StepIQError: `arrived.content`, if it is one.
        PayloadInvalid: the body is not an object.
        InputInvalid: it does not fit the pipeline's schema; one issue per field.
    """
    pipeline = await inbox.targets.active(actor.workspace_id, pipeline_id)
    billing.require_webhooks(plan)
    await inbox.verify(actor.workspace_id, pipeline, arrived.headers, arrived.data)
    if isinstance(arrived.content, StepIQError):
        raise arrived.content
    definition = pipeline.definition
    payload = definition.input.validate(payload_of(arrived.content))
    return Checked(ids.uuid7(), pipeline.target, definition, payload)


async def run_of(
    session: Session, actor: Actor, checked: Checked, *, engine: Engine, plan: Plan
) -> NewRun:
    """The run of a webhook that was checked, ready to be accepted."""
    return await runs.new_run(
        session,
        checked.run_id,
        checked.definition,
        engine=engine,
        plan=plan,
        workspace_id=actor.workspace_id,
        pipeline_id=checked.target.id,
        version=checked.target.version,
        trigger=TriggerType.WEBHOOK,
        input_data=checked.input_data,
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
