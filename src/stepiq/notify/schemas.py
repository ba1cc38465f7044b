"""Shapes of deliveries in the API."""

from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor, Scope
from stepiq.notify.records import Attempt, Delivery, EventName, ShownRequest
from stepiq.store.states import DeliveryStatus, TargetType
from stepiq.web.bodies import Timestamp, View


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
