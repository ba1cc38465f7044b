"""Records actions on workspaces, members, invitations and service keys in the audit log."""

from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By, Facts
from stepiq.store.database import Session
from stepiq.store.states import Role


async def on_workspace(
    session: Session,
    actor: Actor,
    action: Action,
    workspace_id: UUID,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Record an action on a workspace, in its own log."""
    await audit.record(
        session,
        actor,
        action,
        AuditTarget(AuditTargetType.WORKSPACE, workspace_id),
        before=before,
        after=after,
        workspace_id=workspace_id,
    )


async def deleted(session: Session, by: Actor | By, workspace_id: UUID, name: str) -> None:
    """Record that a workspace is being erased, in the server's own log. The log of the workspace is erased too."""
    await audit.record(
        session,
        by,
        Action.WORKSPACE_DELETED,
        AuditTarget(AuditTargetType.WORKSPACE, workspace_id, name),
        workspace_id=None,
    )


async def joined(session: Session, by: Actor | By, user_id: UUID, email: str, row: Any) -> None:
    """Record that a person used an invitation, whose row is `row`, to a workspace."""
    await audit.record(
        session,
        by,
        Action.MEMBER_ADDED,
        AuditTarget(AuditTargetType.USER, user_id, email),
        after={"role": row.role, "invitation": str(row.id)},
        workspace_id=row.workspace_id,
    )


async def role_changed(
    session: Session, by: Actor | By, user_id: UUID, email: str, before: Role, after: Role
) -> None:
    """Record that the role of a member has changed."""
    await audit.record(
        session,
        by,
        Action.MEMBER_ROLE_CHANGED,
        AuditTarget(AuditTargetType.USER, user_id, email),
        before={"role": before},
        after={"role": after},
    )


async def removed(
    session: Session, by: Actor | By, user_id: UUID, email: str, after: Facts
) -> None:
    """Record that a member was removed or has left."""
    has_left = isinstance(by, Actor) and by.user_id == user_id
    action = Action.MEMBER_LEFT if has_left else Action.MEMBER_REMOVED
    await audit.record(
        session, by, action, AuditTarget(AuditTargetType.USER, user_id, email), after=after
    )


async def on_invitation(session: Session, actor: Actor | By, action: Action, row: Any) -> None:
    """Record that an invitation, whose row is `row`, was created or withdrawn."""
    facts: Facts = {"role": row.role}
    await audit.record(
        session,
        actor,
        action,
        AuditTarget(AuditTargetType.INVITATION, row.id, row.email),
        before=None if action is Action.INVITATION_CREATED else facts,
        after=facts if action is Action.INVITATION_CREATED else None,
    )
