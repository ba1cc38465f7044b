"""Records changes of the plan and the limits of workspaces."""

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.billing.administration.records import ListedWorkspace
from stepiq.core.json import Json
from stepiq.store.database import Session


async def changed(
    session: Session, by: Actor | By, old: ListedWorkspace, new: ListedWorkspace
) -> None:
    """Record changes of the plan and of limits."""
    were, are = audit.changes(_facts(old), _facts(new))
    if are:
        await audit.record(
            session,
            by,
            Action.WORKSPACE_UPDATED,
            _target(new),
            before=were,
            after=are,
            workspace_id=new.id,
        )


def _target(workspace: ListedWorkspace) -> AuditTarget:
    return AuditTarget(AuditTargetType.WORKSPACE, workspace.id, workspace.name)


def _facts(workspace: ListedWorkspace) -> dict[str, Json]:
    return {"plan": str(workspace.plan), "limits": dict(workspace.overrides)}
