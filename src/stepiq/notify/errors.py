"""Errors of deliveries."""

from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.errors import Conflict, Invalid, NotFound


class DeliveryNotFound(NotFound):
    """The delivery does not exist, or belongs to another workspace."""

    code = "delivery_not_found"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"Delivery {delivery_id} does not exist.", delivery_id=delivery_id)


class AttemptNotFound(NotFound):
    """The delivery has no attempt with this number."""

    code = "delivery_attempt_not_found"

    def __init__(self, delivery_id: UUID, number: int) -> None:
        super().__init__(
            f"Delivery {delivery_id} has no attempt {number}.",
            delivery_id=delivery_id,
            number=number,
        )


class RequestNotRecorded(NotFound):
    """The request of the attempt is not recorded, because it is an email."""

    code = "delivery_request_not_recorded"

    def __init__(self, delivery_id: UUID, number: int) -> None:
        super().__init__(
            f"The request of attempt {number} of delivery {delivery_id} is not recorded. Emails are not recorded, because"
            " they can contain links that need no account.",
            delivery_id=delivery_id,
            number=number,
        )


class DeliveryPending(Conflict):
    """The delivery is still in progress."""

    code = "delivery_pending"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(
            f"Delivery {delivery_id} is still in progress. Wait until its status is `delivered` or `failed`.",
            delivery_id=delivery_id,
        )


class RecipientLinkInvalid(Invalid):
    """The token of a link for a recipient of email is incomplete, or this server did not make it."""

    code = "recipient_link_invalid"
    message = "This link is not valid. Open the complete link from the email."


class RecipientLinkExpired(Invalid):
    """The link is too old to confirm that a recipient wants emails."""

    code = "recipient_link_expired"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(
            f"You could confirm with this link until {clock.readable(expired_at)}. You get another link when someone wants to send you the "
            "next email. You can still refuse emails with this link."
        )


class NoDeliveryTargets(Conflict):
    """The pipeline has no delivery targets."""

    code = "no_delivery_targets"

    def __init__(self, pipeline_id: UUID, version: int) -> None:
        super().__init__(
            f"Version {version} of pipeline {pipeline_id} has no webhook, email, Slack or Teams target. Add one under "
            "output.deliver or notifications.",
            pipeline_id=pipeline_id,
            version=version,
        )
