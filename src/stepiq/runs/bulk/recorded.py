"""Records bulk jobs in the audit log."""

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.core.json import Json
from stepiq.runs.bulk.records import BulkJob
from stepiq.store.database import Session


async def on_bulk_job(session: Session, actor: Actor, action: Action, job: BulkJob) -> None:
    """Record that a bulk job was created or cancelled."""
    target = AuditTarget(AuditTargetType.BULK_JOB, job.id, job.name)
    after: dict[str, Json] = {"action": job.action, "status": job.status, "total": job.total}
    await audit.record(session, actor, action, target, after=after)
