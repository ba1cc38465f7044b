"""Routes of deliveries."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.accounts.errors import EmailUnverified, ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing.errors import PlanWebhooksDisabled
from stepiq.execution.limits.quotas import PlanEmailsExhausted, PlanRedeliveriesExhausted
from stepiq.notify import queries, service
from stepiq.notify.errors import (
    AttemptNotFound,
    DeliveryNotFound,
    DeliveryPending,
    NoDeliveryTargets,
    RequestNotRecorded,
)
from stepiq.notify.records import Attempt, Delivery, EventName, ShownRequest
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.runs import service as runs
from stepiq.runs.errors import RunNotFound
from stepiq.store.database import Session
from stepiq.store.states import DeliveryStatus, TargetType
from stepiq.web.bodies import Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read, Tx


class TargetView(View):
    """The target of a delivery."""

    type: TargetType
    url: str | None = None
    """URL of a webhook, with secrets masked. Templates are not rendered before the first attempt."""
    to: str | None = None
    """Recipient of an email."""


class AttemptView(View):
    """One attempt of a delivery."""

    number: int
    """Number of the attempt, including earlier redeliveries."""
    at: Timestamp
    """Start of the attempt."""
    status_code: int | None
    """Status of the receiver's response; null if there was none."""
    error: str | None
    """Why the attempt failed; null if it succeeded."""
    duration_ms: int | None
    response_headers: dict[str, str] | None
    """Headers of the response, with secrets masked."""
    response_excerpt: str | None
    """The first KiB of the response, with secrets masked."""


class AttemptRequestView(View):
    """The signed request of a webhook attempt. HTTP's own headers, such as `Host` and `Content-Length`, are not listed."""

    method: str
    url: str
    """With secrets masked."""
    headers: dict[str, str]
    """Those of the target, with secrets masked and at most 2,000 characters each, and those of stepIQ."""
    body: str | None
    """Exactly the text that was signed. Null if an upgrade of stepIQ has changed the format since."""
    body_bytes: int
    """Length of the body in UTF-8."""
    body_sha256: str
    """Hash of the body, in hexadecimal."""


class DeliveryView(View):
    """A delivery to one target, with its last 100 attempts, or 10 in lists."""

    id: UUID
    """The same for all attempts. Receivers get it as `webhook-id`."""
    run_id: UUID | None
    """Null for a test event."""
    pipeline_id: UUID
    pipeline_version: int
    event: EventName
    target: TargetView
    target_path: str
    """Place of the target in the definition, such as `output.deliver[0]`."""
    status: DeliveryStatus
    error: str | None
    """Why it failed, or why its last attempt failed."""
    attempts: list[AttemptView]
    created_at: Timestamp
    completed_at: Timestamp | None


class DeliveriesView(View):
    """New deliveries."""

    data: list[DeliveryView]


def view_for(actor: Actor, delivery: Delivery) -> DeliveryView:
    """A delivery; without the scope `pipelines:read`, without what was sent, to whom, and the answers."""
    view = delivery_view(delivery)
    if Scope.PIPELINES_READ in actor.scopes:
        return view
    return view.model_copy(
        update={"target": TargetView(type=view.target.type), "error": None, "attempts": []}
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery as the API shows it."""
    shown: dict[str, Any] = {
        name: getattr(delivery, name)
        for name in DeliveryView.model_fields
        if name not in ("target", "attempts")
    }
    target = delivery.target
    return DeliveryView(
        **shown,
        target=TargetView(type=delivery.target_type, url=target.get("url"), to=target.get("to")),
        attempts=[_attempt_view(attempt) for attempt in delivery.attempts],
    )


def request_view(shown: ShownRequest) -> AttemptRequestView:
    """The request of an attempt as the API shows it."""
    sent = shown.sent
    return AttemptRequestView(
        method=sent["method"],
        url=sent["url"],
        headers=sent["headers"],
        body=shown.body,
        body_bytes=sent["body_bytes"],
        body_sha256=sent["body_sha256"],
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(**{name: getattr(attempt, name) for name in AttemptView.model_fields})


async def on_deliveries(
    session: Session, actor: Actor, action: Action, deliveries: Sequence[Delivery]
) -> None:
    """Record that deliveries are sent again, or that test events are sent."""
    await audit.record_all(
        session,
        [
            audit.new_entry(
                actor,
                action,
                AuditTarget(AuditTargetType.DELIVERY, each.id),
                after={"pipeline_id": str(each.pipeline_id), "type": each.target_type},
            )
            for each in deliveries
        ],
    )


router = new_router("Deliveries")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the attempt.")]


@router.get("/runs/{run_id}/deliveries", responses=problems(RunNotFound, ScopeMissing))
async def list_deliveries_for_run(
    caller: Reader, read: Read, page: PageQuery, run_id: UUID
) -> Page[DeliveryView]:
    """Deliveries of a run, newest first."""
    await runs.progress(read, caller, run_id)
    statement = queries.of_run_statement(run_id, before=page.before, limit=page.limit)
    page = page.fitting(await queries.sizes(read, statement))
    found = await queries.page(read, statement.limit(page.fetch))
    return page.page(found, delivery_view, lambda delivery: delivery.id)


@router.get(
    "/pipelines/{pipeline_id}/deliveries", responses=problems(PipelineNotFound, ScopeMissing)
)
async def list_deliveries_for_pipeline(
    caller: Reader,
    read: Read,
    page: PageQuery,
    pipeline_id: UUID,
    status: Annotated[
        DeliveryStatus | None, Query(description="Only deliveries with this status.")
    ] = None,
) -> Page[DeliveryView]:
    """Deliveries of a pipeline's runs, and its test events."""
    await pipelines.get(read, caller, pipeline_id)
    statement = queries.of_pipeline_statement(
        pipeline_id, status=status, before=page.before, limit=page.limit
    )
    page = page.fitting(await queries.sizes(read, statement))
    found = await queries.page(read, statement.limit(page.fetch))
    return page.page(found, delivery_view, lambda delivery: delivery.id)


@router.post(
    "/pipelines/{pipeline_id}/deliveries/test",
    status_code=202,
    responses=problems(
        PipelineNotFound,
        NoDeliveryTargets,
        PlanWebhooksDisabled,
        PlanRedeliveriesExhausted,
        EmailUnverified,
        ScopeMissing,
    ),
)
async def test_deliveries(
    caller: Executor, services: ServicesDep, tx: Tx, pipeline_id: UUID
) -> DeliveriesView:
    """Send a test event to every target of the current version.

    Its `event` is `pipeline.test`, and `test` is true. Its run and output are examples.
    """
    found = await service.test(
        tx,
        caller,
        pipeline_id,
        engine=services.engine,
        plan=services.plans.get(caller.plan),
        verifies_addresses=services.settings.verifies_addresses,
    )
    await on_deliveries(tx, caller, Action.DELIVERY_TESTED, found)
    return DeliveriesView(data=[view_for(caller, each) for each in found])


@router.get("/deliveries/{delivery_id}", responses=problems(DeliveryNotFound, ScopeMissing))
async def get_delivery(caller: Reader, read: Read, delivery_id: UUID) -> DeliveryView:
    """A delivery with its attempts."""
    return delivery_view(await service.get(read, caller, delivery_id))


@router.get(
    "/deliveries/{delivery_id}/attempts/{number}/request",
    responses=problems(DeliveryNotFound, AttemptNotFound, RequestNotRecorded, ScopeMissing),
)
async def get_attempt_request(
    caller: Reader, read: Read, delivery_id: UUID, number: Number
) -> AttemptRequestView:
    """The request that an attempt of a webhook sent, with its signature."""
    return request_view(await service.sent_request(read, caller, delivery_id, number))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    responses=problems(
        DeliveryNotFound,
        DeliveryPending,
        PlanWebhooksDisabled,
        PlanEmailsExhausted,
        PlanRedeliveriesExhausted,
        EmailUnverified,
        ScopeMissing,
    ),
)
async def redeliver(
    caller: Executor, services: ServicesDep, tx: Tx, delivery_id: UUID
) -> DeliveryView:
    """Repeat a delivered or failed delivery, with up to four new attempts. Its id stays the same.

    The answer to a key without the scope `pipelines:read` has no attempts.
    """
    reopened = await service.redeliver(
        tx,
        caller,
        delivery_id,
        engine=services.engine,
        plan=services.plans.get(caller.plan),
        verifies_addresses=services.settings.verifies_addresses,
    )
    await on_deliveries(tx, caller, Action.DELIVERY_REPEATED, [reopened])
    return view_for(caller, reopened)
