"""Operations of administrators of the server on users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts import recorded
from stepiq.accounts.actor import Actor
from stepiq.accounts.administration import queries
from stepiq.accounts.administration.queries import Data, Deletion
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.authentication import disabling
from stepiq.accounts.credentials.passwords import NO_PASSWORD
from stepiq.accounts.credentials.tokens import new_token
from stepiq.accounts.errors import UserNotFound
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import members
from stepiq.accounts.queries import resets as reset_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.workspaces import service as closing
from stepiq.accounts.workspaces import service as workspaces
from stepiq.core import clock
from stepiq.core.errors import Conflict
from stepiq.core.json import Json
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.observability import logging
from stepiq.store.database import Session
from stepiq.store.states import Role


class LastAdministrator(Conflict):
    """The server would have no administrator left."""

    code = "last_administrator"
    message = (
        "This is the only administrator of the server. Make another account an administrator first."
    )


class OwnsWorkspaces(Conflict):
    """The account is the only owner of workspaces that have other members."""

    code = "owns_workspaces"

    def __init__(self, workspaces: Sequence[tuple[UUID, str]]) -> None:
        named = ", ".join(f"“{name}” ({workspace_id})" for workspace_id, name in workspaces)
        super().__init__(
            f"The account is the only owner of workspaces that have other members: {named}. Another member of each must become "
            "its owner first.",
            workspaces=len(workspaces),
        )


log = logging.get(__name__)

RESET_LIFETIME = timedelta(hours=24)
"""How long the link of an administrator works. It passes from person to person, so it has more time than that of a mail."""

_DELETED_NAME = "Deleted user"
_DELETED_DOMAIN = "deleted.invalid"


@dataclass(frozen=True, slots=True)
class Reset:
    """A link with which a person sets a new password, once."""

    email: str
    link: str
    expires_at: datetime


async def disable(session: Session, user_id: UUID) -> int:
    """Disable a user; returns the number of sessions that ended. See `disabling.disable`.

    Raises:
        UserNotFound: no user has this id.
        LastAdministrator: it is the only enabled administrator.
    """
    await _require_other_administrator(session, user_id)
    await _require(session, user_id)
    return await disabling.disable(session, user_id)


async def enable(session: Session, user_id: UUID) -> None:
    """Enable a disabled user. Raises UserNotFound if no user has this id."""
    await _require(session, user_id)
    await disabling.enable(session, user_id)


async def set_admin(session: Session, user_id: UUID, *, is_admin: bool) -> None:
    """Make a user an administrator of the server, or an ordinary user.

    Raises:
        UserNotFound: no user has this id.
        LastAdministrator: it is the only enabled administrator.
    """
    if not is_admin:
        await _require_other_administrator(session, user_id)
    await _require(session, user_id)
    await queries.set_admin(session, user_id, is_admin=is_admin)


async def verify(session: Session, user_id: UUID) -> None:
    """Mark the address of a user as verified. Raises UserNotFound if no user has this id."""
    await _require(session, user_id)
    await account_queries.verify(session, user_id, clock.now())


async def reset(session: Session, by: Actor | By, user_id: UUID, base_url: str) -> Reset:
    """Create a link with which the user sets a new password. Earlier links no longer work.

    The password, the sessions and the keys do not change until then.

    Raises:
        UserNotFound: no user has this id.
    """
    row = await _require(session, user_id)
    now, token = clock.now(), new_token()
    await reset_queries.spend_all(session, user_id, now)
    await reset_queries.insert(session, user_id, token, RESET_LIFETIME)
    await recorded.on_user(session, by, Action.USER_RESET_REQUESTED, user_id, row.email)
    return Reset(row.email, f"{base_url}/reset-password#token={token}", now + RESET_LIFETIME)


async def send_reset(mailer: Mailer, base_url: str, made: Reset) -> bool:
    """Email the link to the user. Returns False if no mail server is configured or if it rejects the email."""
    if not mailer.has_server:
        return False
    text = f"""\
An administrator of stepIQ at {base_url} has created a link for you to set a new password.

Open this link within 24 hours. It works once.

{made.link}

A new password ends all sessions of your account and revokes all your personal API keys, in all workspaces. Service keys
keep working, including those that you created. If your address is not verified yet, someone else may have registered it:
then, the service keys, schedules, invitations, unfinished runs and two-factor sign-in of the account end, too.
"""
    try:
        await mailer.send(MailMessage(made.email, "Set a new password for stepIQ", text))
    except MailUnsent as error:
        log.warning("password_link_unsent", reason=error.confidential_reason)
        return False
    return True


async def delete(session: Session, by: Actor | By, user_id: UUID, data: Data) -> Deletion:
    """Delete a user: end all access, and replace the address and the name. The row remains, because others refer to it.

    Runs of the workspaces that no longer have a member continue until `disabling.cancel_runs_of`. With `Data.ERASE`, these
    workspaces are marked, and `erasing` deletes their data.

    Raises:
        UserNotFound: no user has this id.
        LastAdministrator: it is the only enabled administrator.
        OwnsWorkspaces: it is the only owner of workspaces that have other members.
    """
    await _require_other_administrator(session, user_id)
    row = await _require(session, user_id)
    # Locked before they are read: a person who is joining one of them counts as a member, and no other owner leaves.
    for workspace_id in await queries.lock_workspaces(session, user_id):
        await members.lock_owners(session, workspace_id)
    own = await queries.memberships_of(session, user_id)
    if stranded := [each for each in own if _leaves_without_owner(each)]:
        raise OwnsWorkspaces([(each.id, each.name) for each in stranded])
    left = [each.id for each in own if each.members == 1]
    now = clock.now()
    removals = {each.id: await workspaces.end_membership(session, each.id, user_id) for each in own}
    # An account without a membership can have a session of just now.
    ended = len(await session_queries.end_all(session, user_id, now))
    await queries.delete_personal(session, user_id, row.email)
    await queries.anonymise(
        session,
        user_id,
        email=f"{user_id}@{_DELETED_DOMAIN}",
        name=_DELETED_NAME,
        password_hash=NO_PASSWORD,
        now=now,
    )
    await closing.close(session, left, is_erased=data is Data.ERASE)
    done = Deletion(
        removals=removals,
        left=left,
        sessions_ended=ended + sum(each.sessions_ended for each in removals.values()),
        api_keys_revoked=sum(each.api_keys_revoked for each in removals.values()),
    )
    await _record_deletion(session, by, user_id, data, done)
    return done


def _leaves_without_owner(row: Any) -> bool:
    return row.role == Role.OWNER and row.owners == 1 and row.members > 1


async def _require(session: Session, user_id: UUID) -> Any:
    row = await queries.lock(session, user_id)
    if row is None:
        raise UserNotFound(user_id)
    return row


async def _require_other_administrator(session: Session, user_id: UUID) -> None:
    # Before the user is locked: otherwise, two administrators who change each other would wait for each other.
    if await account_queries.lock_administrators(session) == {user_id}:
        raise LastAdministrator


async def record_change(session: Session, by: Actor | By, old: Any, new: Any) -> None:
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


async def _record_deletion(
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
    return {name: bool(getattr(row, name)) for name in ("is_admin", "email_verified")}
