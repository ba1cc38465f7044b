"""Records the answers of recipients in the audit log."""

from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.notify.recipients.records import Recipient
from stepiq.store.database import Session


async def answered(session: Session, action: Action, recipient: Recipient) -> None:
    """Record that a recipient agreed to emails or refused them, with a link from an email."""
    await audit.record(
        session,
        By(ActorKind.LINK, recipient.workspace_id, None, recipient.email),
        action,
        AuditTarget(AuditTargetType.RECIPIENT, recipient.id, recipient.email),
    )
