"""Records actions of people on runs in the audit log. The data of runs is not recorded."""

from uuid import UUID

from stepiq.accounts.actor import Actor, Credential
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.core.json import Json
from stepiq.runs.records import Run
from stepiq.store.database import Session


def _run_target(run: Run) -> AuditTarget:
    return AuditTarget(AuditTargetType.RUN, run.id, run.pipeline_name)


def _facts(run: Run) -> dict[str, Json]:
    facts: dict[str, Json] = {
        "pipeline_id": str(run.pipeline_id),
        "version": None if run.is_draft else run.pipeline_version,
    }
    if run.is_draft:
        facts["is_draft"] = True
    return facts


async def started(
    session: Session, actor: Actor, run: Run, *, schedule_id: UUID | None = None
) -> None:
    """Record that a person started a run. Runs that keys start are not recorded, because there can be many."""
    if actor.credential is not Credential.SESSION:
        return
    after = _facts(run)
    if schedule_id is not None:
        after["schedule_id"] = str(schedule_id)
    await audit.record(session, actor, Action.RUN_STARTED, _run_target(run), after=after)


async def cancelled(session: Session, actor: Actor, run: Run) -> None:
    """Record that a run is cancelled. `run` is its state before."""
    await audit.record(
        session,
        actor,
        Action.RUN_CANCELLED,
        _run_target(run),
        before={"status": run.status},
        after={"status": "cancelled"},
    )


async def retried(session: Session, actor: Actor, run: Run, *, start: str) -> None:
    """Record that a run was retried. The target is the new run."""
    after = {**_facts(run), "retry_of": str(run.retry_of), "from": start}
    await audit.record(session, actor, Action.RUN_RETRIED, _run_target(run), after=after)
