"""Shapes of deliveries in the API."""

from typing import Any
from uuid import UUID

from stepiq.core.json import Json
from stepiq.notify.records import Attempt, Delivery, EventName
from stepiq.store.states import DeliveryStatus, TargetType
from stepiq.web.bodies import Timestamp, View


class TargetView(View):
    """Where a delivery goes."""

    type: TargetType
    url: str | None = None
    """Of a webhook, secrets masked; a template is shown as written until an attempt has rendered it."""
    to: str | None = None
    """Of a mail: one address."""


class AttemptView(View):
    """One try to deliver."""

    number: int
    """Counted over all redeliveries."""
    at: Timestamp
    """When it began."""
    status_code: int | None
    """Of the receiver's answer; null when there was none."""
    error: str | None
    """What went wrong, in a sentence; null when it was delivered."""
    duration_ms: int | None
    response_headers: dict[str, str] | None
    """Of the receiver's answer, secrets masked."""
    response_excerpt: str | None
    """The first KiB of the receiver's answer, secrets masked."""


class DeliveryView(View):
    """Something that has to arrive at one target, with the attempts so far."""

    id: UUID
    """The same over all attempts: receivers find it in `webhook-id`."""
    run_id: UUID | None
    """Null for a test event, which no run stands behind."""
    pipeline_id: UUID
    pipeline_version: int
    event: EventName
    target: TargetView
    target_path: str
    """Where the target stands in the definition, such as `output.deliver[0]`."""
    status: DeliveryStatus
    error: str | None
    """Why it has failed, or why its last attempt did."""
    attempts: list[AttemptView]
    created_at: Timestamp
    completed_at: Timestamp | None


class DeliveriesView(View):
    """Deliveries that were just recorded."""

    data: list[DeliveryView]


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery as the API shows it."""
    shown: dict[str, Any] = {
        name: getattr(delivery, name)
        for name in DeliveryView.model_fields
        if name not in ("target", "attempts")
    }
    target: dict[str, Json] = delivery.target
    return DeliveryView(
        **shown,
        target=TargetView(type=delivery.target_type, url=target.get("url"), to=target.get("to")),
        attempts=[_attempt_view(attempt) for attempt in delivery.attempts],
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(**{name: getattr(attempt, name) for name in AttemptView.model_fields})
