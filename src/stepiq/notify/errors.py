"""What can go wrong with deliveries."""

from uuid import UUID

from stepiq.core.errors import Conflict, Invalid, NotFound


class DeliveryNotFound(NotFound):
    """The delivery does not exist, or belongs to another workspace."""

    code = "delivery_not_found"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"Delivery {delivery_id} does not exist.", delivery_id=delivery_id)


class DeliveryPending(Conflict):
    """The delivery is still in progress."""

    code = "delivery_pending"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(
            f"Delivery {delivery_id} is still in progress. Wait until its status is `delivered` or `failed`.",
            delivery_id=delivery_id,
        )


class RecipientLinkInvalid(Invalid):
    """The token that confirms a recipient of email is invalid or more than seven days old."""

    code = "recipient_link_invalid"

    def __init__(self) -> None:
        super().__init__(
            "This link is invalid or has expired. You get another link with the next email that someone wants to send you."
        )


class NoDeliveryTargets(Conflict):
    """The pipeline has no delivery targets."""

    code = "no_delivery_targets"

    def __init__(self, pipeline_id: UUID, version: int) -> None:
        super().__init__(
            f"Version {version} of pipeline {pipeline_id} has no webhook or email target. Add one under output.deliver "
            "or notifications.",
            pipeline_id=pipeline_id,
            version=version,
        )
