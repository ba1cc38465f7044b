"""Checks inbound webhooks and builds their runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.billing import service as billing
from stepiq.core import ids
from stepiq.core.errors import StepIQError, Unauthenticated
from stepiq.core.json import Json
from stepiq.core.observability.trace_context import TraceParent
from stepiq.execution.limits.plans import Plan
from stepiq.execution.records.run import NewRun, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.language import offload
from stepiq.language.data import is_object
from stepiq.language.definitions.compiled import Definition
from stepiq.pipelines.records import Target
from stepiq.runs import service as runs
from stepiq.store.database import Session
from stepiq.store.states import CallerType, TriggerType
from stepiq.triggers.webhooks.errors import PayloadInvalid
from stepiq.triggers.webhooks.inbox import Inbox
from stepiq.web import requests


@dataclass(frozen=True, slots=True)
class Arrived:
    """A webhook request."""

    headers: Mapping[str, str]
    """With lower-case names."""
    data: bytes
    """The body as sent. Senders sign these bytes."""
    content: Json | StepIQError
    """The parsed body, or the error of parsing it, which is raised only after the checks before it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked webhook, which can start a run."""

    run_id: UUID
    target: Target
    definition: Definition
    input_data: dict[str, Json]
    parent: TraceParent | None
    """The span of the sender. Kept here, because several webhooks are accepted in one task."""


async def check(
    actor: Actor, pipeline_id: UUID, arrived: Arrived, *, inbox: Inbox, plan: Plan
) -> Checked:
    """Make all checks of a webhook that need no transaction.

    The input is the object under `input_data` if it exists, else the whole body.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
        WebhookPaused: it is paused.
        PlanWebhooksDisabled: the plan has no webhooks.
        SignatureInvalid, SignatureSecretMissing, SignatureSecretUnusable: the pipeline requires the sender's signature,
            and it is not valid or cannot be checked.
        StepIQError: `arrived.content`, if it is an error.
        PayloadInvalid: the body is not an object.
        InputInvalid: the input does not match the pipeline's schema; one issue per field.
    """
    pipeline = await inbox.targets.active(actor.workspace_id, pipeline_id)
    billing.require_webhooks(plan)
    await inbox.verify(actor.workspace_id, pipeline, arrived.headers, arrived.data)
    if isinstance(arrived.content, StepIQError):
        raise arrived.content
    definition = pipeline.definition
    payload = await offload.validate(definition.input, payload_of(arrived.content))
    parent = requests.trace_parent()
    return Checked(ids.uuid7(), pipeline.target, definition, payload, parent)


async def is_signed(actor: Actor, pipeline_id: UUID, arrived: Arrived, *, inbox: Inbox) -> bool:
    """Whether a refused webhook can get the stored answer to an earlier one with the same `Idempotency-Key`.

    The pipeline's newest version decides which signature the sender needs. The signed time can be old: the same bytes
    have started a run before, and the answer starts none.
    """
    pipeline = await inbox.targets.of_any_status(actor.workspace_id, pipeline_id)
    if pipeline is None:
        return False
    try:
        await inbox.verify(
            actor.workspace_id, pipeline, arrived.headers, arrived.data, is_repeated=True
        )
    except Unauthenticated:
        return False
    return True


async def run_of(
    session: Session, actor: Actor, checked: Checked, *, engine: Engine, plan: Plan
) -> NewRun:
    """Build the run of a checked webhook."""
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
        caller=RunCaller(CallerType.WEBHOOK, actor.key_id),
        parent=checked.parent,
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
