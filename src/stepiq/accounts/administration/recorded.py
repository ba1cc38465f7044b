"""Records what administrators do with accounts, in the server's own log."""

from typing import Any
from uuid import UUID

from stepiq.accounts import recorded
from stepiq.accounts.actor import Actor
from stepiq.accounts.administration.queries import Data, Deletion
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.core.json import Json
from stepiq.store.database import Session

_FIELDS = ("is_admin", "email_verified")


async def changed(session: Session, by: Actor | By, old: Any, new: Any) -> None:
    """Record the changes of an account. `old` and `new` are rows of `queries.find`, None for an unknown account."""
    if old is None or new is None:
        return
    if bool(old.disabled) != bool(new.disabled):
        action = Action.USER_DISABLED if new.disabled else Action.USER_ENABLED
        await recorded.on_user(session, by, action, new.id, new.email)
    were, are = audit.changes(_facts(old), _facts(new))
    if are:
        await recorded.on_user(
            session, by, Action.USER_UPDATED, new.id, new.email, before=were, after=are
        )


async def reset(session: Session, by: Actor | By, user_id: UUID, email: str) -> None:
    """Record that a link for a new password was created."""
    await recorded.on_user(session, by, Action.USER_RESET_REQUESTED, user_id, email)


async def deleted(
    session: Session, by: Actor | By, user_id: UUID, data: Data, done: Deletion
) -> None:
    """Record that an account was deleted, in the server's log, and that other workspaces have lost a member.

    The address is not recorded, because it was replaced.
    """
    for workspace_id, removal in done.removals.items():
        if workspace_id not in done.left:
            await audit.record(
                session,
                by,
                Action.MEMBER_REMOVED,
                AuditTarget(AuditTargetType.USER, user_id),
                after=removal.facts,
                workspace_id=workspace_id,
            )
    left: list[Json] = [str(workspace_id) for workspace_id in done.left]
    await audit.record(
        session,
        by,
        Action.USER_DELETED,
        AuditTarget(AuditTargetType.USER, user_id),
        after={"data": data, "workspaces_left": left},
        workspace_id=None,
    )


def _facts(row: Any) -> dict[str, Json]:
    return {name: bool(getattr(row, name)) for name in _FIELDS}
