"""Records what sign-ins with identity providers do in the audit log."""

from uuid import UUID

from stepiq.accounts import recorded
from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By, NewEntry, person
from stepiq.accounts.oidc.errors import SignInFailure
from stepiq.accounts.oidc.queries import Connected
from stepiq.core.json import Json
from stepiq.store.database import Session
from stepiq.store.states import Role


def refused(provider: str, failure: SignInFailure, email: str | None) -> NewEntry:
    """The entry of a sign-in that was refused after the provider has confirmed the person, in the server's log."""
    return audit.new_entry(
        By(ActorKind.ANONYMOUS),
        Action.OIDC_REFUSED,
        AuditTarget(AuditTargetType.USER, None, email),
        after={"provider": provider, "reason": failure.value},
    )


async def linked(session: Session, identity: Connected, *, subject: str) -> None:
    """Record that an identity was connected to an account."""
    await recorded.on_user(
        session,
        person(identity.user_id, identity.email, None),
        Action.OIDC_LINKED,
        identity.user_id,
        identity.email,
        after={"provider": identity.provider, "subject": subject},
    )


async def unlinked(session: Session, by: Actor | By, identity: Connected) -> None:
    """Record that an identity was disconnected from an account."""
    await recorded.on_user(
        session,
        by,
        Action.OIDC_UNLINKED,
        identity.user_id,
        identity.email,
        before={"provider": identity.provider},
    )


async def admin_changed(session: Session, identity: Connected, *, is_admin: bool) -> None:
    """Record that the groups of a person made an administrator of the server, or no longer do."""
    await recorded.on_user(
        session,
        person(identity.user_id, identity.email, None),
        Action.USER_UPDATED,
        identity.user_id,
        identity.email,
        before={"is_admin": not is_admin},
        after={"is_admin": is_admin, "provider": identity.provider},
    )


async def role_changed(
    session: Session,
    identity: Connected,
    workspace_id: UUID,
    *,
    before: Role | None,
    after: Role | None,
) -> None:
    """Record that the groups of a person gave, changed or removed a membership."""
    action = Action.MEMBER_ROLE_CHANGED
    if before is None:
        action = Action.MEMBER_ADDED
    elif after is None:
        action = Action.MEMBER_REMOVED
    await audit.record(
        session,
        person(identity.user_id, identity.email, workspace_id),
        action,
        recorded.user_target(identity.user_id, identity.email),
        before=None if before is None else _facts(before, identity),
        after=None if after is None else _facts(after, identity),
    )


def _facts(role: Role, identity: Connected) -> dict[str, Json]:
    return {"role": role.value, "provider": identity.provider}
