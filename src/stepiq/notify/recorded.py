"""Records actions on deliveries in the audit log."""

from collections.abc import Sequence

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.notify.records import Delivery
from stepiq.store.database import Session


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
