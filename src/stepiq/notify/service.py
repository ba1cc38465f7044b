"""Operations on deliveries: show what was sent, redeliver one, and test all targets of a pipeline."""

import hashlib
from dataclasses import replace
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.emails.verification import require_verified
from stepiq.billing import service as billing
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import Quota
from stepiq.execution.records.run import NewDelivery
from stepiq.execution.runtime import Engine
from stepiq.language.definitions.targets import ChatService
from stepiq.notify import attempt_queries, envelope, queries, targets
from stepiq.notify.errors import (
    AttemptNotFound,
    DeliveryNotFound,
    DeliveryPending,
    NoDeliveryTargets,
    RequestNotRecorded,
)
from stepiq.notify.outbox import record
from stepiq.notify.records import ChatMessage, Delivery, EventName, ShownRequest
from stepiq.pipelines import service as pipelines
from stepiq.store.database import Session
from stepiq.store.states import DeliveryStatus, TargetType


async def get(session: Session, actor: Actor, delivery_id: UUID) -> Delivery:
    """A delivery with the attempts that are kept.

    Raises:
        DeliveryNotFound: the actor's workspace has no such delivery.
    """
    found = await queries.find(session, actor.workspace_id, delivery_id)
    if found is None:
        raise DeliveryNotFound(delivery_id)
    return found


async def sent_request(
    session: Session, actor: Actor, delivery_id: UUID, number: int
) -> ShownRequest:
    """The request of a webhook attempt.

    The body is not stored. It is built again from the recorded run, and shown only if its hash is that of the body that
    was signed.

    Raises:
        DeliveryNotFound: the actor's workspace has no such delivery.
        AttemptNotFound: the delivery has no such attempt.
        RequestNotRecorded: the attempt is an email.
    """
    delivery = await get(session, actor, delivery_id)
    attempt = next((each for each in delivery.attempts if each.number == number), None)
    if attempt is None:
        raise AttemptNotFound(delivery_id, number)
    sent = await attempt_queries.sent_request(session, delivery_id, number)
    if sent is None:
        raise RequestNotRecorded(delivery_id, number)
    occasion = await queries.occasion(session, delivery)
    if occasion is None:
        return ShownRequest(sent, None)
    then = replace(occasion, pipeline_name=sent["pipeline_name"])
    message = None
    if "chat" in sent:
        message = ChatMessage(ChatService(sent["chat"]), sent.get("link", ""))
    body = envelope.body(delivery, then, message, attempt=number, sent_at=attempt.at)
    is_same = hashlib.sha256(body).hexdigest() == sent["body_sha256"]
    return ShownRequest(sent, body.decode() if is_same else None)


async def redeliver(
    session: Session,
    actor: Actor,
    delivery_id: UUID,
    *,
    engine: Engine,
    plan: Plan,
    verifies_addresses: bool,
) -> Delivery:
    """Attempt a final delivery again, up to four more times. Attempt numbers continue, and the id stays the same.

    Raises:
        DeliveryNotFound: the actor's workspace has no such delivery.
        PlanWebhooksDisabled: it is a webhook, and the plan has none.
        EmailUnverified: it is an email, and the address of the account is not verified.
        DeliveryPending: it is not final.
        PlanEmailsExhausted: it is an email, and the plan allows no more today.
        PlanRedeliveriesExhausted: the plan allows no more today.
    """
    found = await get(session, actor, delivery_id)
    if found.target_type is TargetType.WEBHOOK:
        billing.require_webhooks(plan)
    else:
        await quotas.check(session, actor.workspace_id, plan, Quota.EMAILS_PER_DAY)
        if verifies_addresses:
            await require_verified(session, actor.user_id)
    if found.status is DeliveryStatus.PENDING:
        raise DeliveryPending(delivery_id)
    await quotas.take(session, actor.workspace_id, plan, Quota.REDELIVERIES_PER_DAY)
    if not await queries.reopen(session, actor.workspace_id, delivery_id):
        raise DeliveryPending(delivery_id)
    # The count includes the reopened delivery itself.
    priority = await queries.pending(session, actor.workspace_id)
    reopened = await get(session, actor, delivery_id)
    await engine.send(session, [NewDelivery(delivery_id, priority, reopened.ticket)])
    return reopened


async def test(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    *,
    engine: Engine,
    plan: Plan,
    verifies_addresses: bool,
) -> list[Delivery]:
    """Send a test event to every target of a pipeline's current version.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
        NoDeliveryTargets: it has neither webhook nor email targets.
        PlanWebhooksDisabled: it has a webhook target, and the plan has none.
        EmailUnverified: it has an email target, and the address of the account is not verified.
        PlanRedeliveriesExhausted: it has more targets than the plan allows today.
    """
    target = await pipelines.target(session, actor, pipeline_id)
    definition = await engine.definitions.get(session, target.id, target.version)
    found = targets.of_event(definition, EventName.TEST)
    if not found:
        raise NoDeliveryTargets(pipeline_id, target.version)
    if definition.has_webhook_target:
        billing.require_webhooks(plan)
    if verifies_addresses and any(each.type is TargetType.EMAIL for each in found):
        await require_verified(session, actor.user_id)
    await quotas.take(session, actor.workspace_id, plan, Quota.REDELIVERIES_PER_DAY, len(found))
    recorded = await record(
        session,
        found,
        workspace_id=actor.workspace_id,
        pipeline_id=pipeline_id,
        pipeline_version=target.version,
        run_id=None,
        event=EventName.TEST,
    )
    await engine.send(session, [ticket for _, ticket in recorded])
    return [delivery for delivery, _ in recorded]
