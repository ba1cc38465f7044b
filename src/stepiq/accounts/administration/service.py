"""Operations of administrators of the server on users."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts import disabling, keys
from stepiq.accounts.administration import queries
from stepiq.accounts.administration.errors import LastAdministrator, OwnsWorkspaces
from stepiq.accounts.administration.records import Data, Deletion
from stepiq.accounts.errors import UserNotFound
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import resets as reset_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.tokens import new_token
from stepiq.core import clock, ids
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.execution.admission import RunNotCancellable
from stepiq.execution.runtime import Engine
from stepiq.store.database import Database, Session
from stepiq.store.states import Role

RESET_LIFETIME = timedelta(hours=24)
"""How long the link of an administrator works. It passes from person to person, so it has more time than that of a mail."""

NO_PASSWORD = "!"  # noqa: S105 - not the hash of any password
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
    """Enable a disabled user.

    Raises:
        UserNotFound: no user has this id.
    """
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
    """Mark the address of a user as verified.

    Raises:
        UserNotFound: no user has this id.
    """
    await _require(session, user_id)
    await account_queries.verify(session, user_id, clock.now())


async def reset(session: Session, user_id: UUID, base_url: str) -> Reset:
    """Create a link with which the user sets a new password. Earlier links no longer work.

    The password, the sessions and the keys do not change until then.

    Raises:
        UserNotFound: no user has this id.
    """
    row = await _require(session, user_id)
    now, token = clock.now(), new_token()
    await reset_queries.spend_all(session, user_id, now)
    await reset_queries.insert(
        session,
        reset_id=ids.uuid7(),
        user_id=user_id,
        token_hash=keys.digest(token),
        created_at=now,
        expires_at=now + RESET_LIFETIME,
    )
    return Reset(row.email, f"{base_url}/reset-password#token={token}", now + RESET_LIFETIME)


async def send_reset(mailer: Mailer, base_url: str, made: Reset) -> bool:
    """Send the link of a reset to its user; False if there is no mail server, or it did not take the email."""
    if not mailer.has_server:
        return False
    text = f"""\
An administrator of stepIQ at {base_url} has created a link for you to set a new password.

Open this link within 24 hours. It works once.

{made.link}

A new password ends all sessions of your account and revokes all its API keys.
"""
    with suppress(MailUnsent):
        await mailer.send(MailMessage(made.email, "Set a new password for stepIQ", text))
        return True
    return False


async def delete(session: Session, user_id: UUID, data: Data) -> Deletion:
    """Delete a user: end all access, and replace the address and the name. The row remains, because others refer to it.

    Runs of the workspaces that no longer have a member continue until `cancel_runs`. With `Data.ERASE`, these
    workspaces are marked, and `erasing` deletes their data.

    Raises:
        UserNotFound: no user has this id.
        LastAdministrator: it is the only enabled administrator.
        OwnsWorkspaces: it is the only owner of workspaces that have other members.
    """
    await _require_other_administrator(session, user_id)
    row = await _require(session, user_id)
    # Locked before they are read: a person who is joining one of them counts as a member.
    await queries.lock_workspaces(session, user_id)
    own = await queries.memberships_of(session, user_id)
    if stranded := [each for each in own if _leaves_without_owner(each)]:
        raise OwnsWorkspaces([(each.id, each.name) for each in stranded])
    left = [each.id for each in own if each.members == 1]
    now = clock.now()
    ended = await session_queries.end_all(session, user_id, now)
    revoked = await key_queries.revoke_all(session, user_id, now)
    await queries.delete_personal(session, user_id, row.email)
    await queries.end_memberships(session, user_id, now)
    await queries.anonymise(
        session,
        user_id,
        email=f"{user_id}@{_DELETED_DOMAIN}",
        name=_DELETED_NAME,
        password_hash=NO_PASSWORD,
        now=now,
    )
    if left:
        await queries.close_workspaces(session, left, now)
        if data is Data.ERASE:
            await queries.mark_erased(session, left, now)
    return Deletion(len(ended), revoked, left)


async def cancel_runs(database: Database, engine: Engine, workspace_ids: Sequence[UUID]) -> int:
    """Cancel the unfinished runs of workspaces, each in a transaction of its own; returns the number cancelled."""
    cancelled = 0
    for workspace_id in workspace_ids:
        async with database.reading() as session:
            found = await account_queries.unfinished_runs(session, workspace_id)
        for run_id in found:
            with suppress(RunNotCancellable):
                async with database.transaction() as session:
                    await engine.cancel(session, workspace_id, run_id)
                cancelled += 1
    return cancelled


def _leaves_without_owner(row: Any) -> bool:
    return row.role == Role.OWNER and row.owners == 1 and row.members > 1


async def _require(session: Session, user_id: UUID) -> Any:
    row = await queries.lock(session, user_id)
    if row is None:
        raise UserNotFound(user_id)
    return row


async def _require_other_administrator(session: Session, user_id: UUID) -> None:
    # Before the user is locked: of two administrators who dismiss each other, both would wait for the other.
    if await queries.lock_administrators(session) == {user_id}:
        raise LastAdministrator
