"""Operations on sessions: refresh, logout, and changing the password."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import REFRESH_LIFETIME
from stepiq.accounts.errors import (
    CredentialInvalid,
    PasswordWrong,
    RefreshExpired,
    RefreshUnknown,
    SessionEnded,
    SessionNotFound,
)
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import resets as reset_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.service import SignedIn, account_of, require_person
from stepiq.core import clock
from stepiq.store.database import Session

EXTENSION_INTERVAL = timedelta(hours=1)
"""How often the session of a browser is extended at most, because each extension is a write."""

RECENT = timedelta(minutes=15)
"""How long after a sign-in its session can change how the person signs in, without the password."""

MOST_LISTED = 1_000
"""Maximum sessions that the operator sees."""


@dataclass(frozen=True, slots=True)
class Reused:
    """A refresh token was used a second time, so it may have been copied. Its session has been ended."""

    session_id: UUID


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that has not ended."""

    id: UUID
    expires_at: datetime
    ends_at: datetime | None
    """When it ends however much it is used. None: never."""

    @property
    def is_due(self) -> bool:
        """Whether it can be extended, and was last extended more than `EXTENSION_INTERVAL` ago."""
        if self.expires_at == self.ends_at:
            return False
        return self.expires_at <= clock.now() + REFRESH_LIFETIME - EXTENSION_INTERVAL


def is_recent(began_at: datetime) -> bool:
    """Whether a session that began at this time can change how the person signs in, without the password."""
    return began_at >= clock.now() - RECENT


async def refresh(session: Session, text: str) -> SignedIn | Reused:
    """Exchange a refresh token for a new one, and extend the session to 30 days from now.

    A token that was used before ends its session. This is returned as `Reused` and not raised, because the transaction
    must be committed.

    Raises:
        RefreshUnknown: the token does not exist, or has been deleted.
        RefreshExpired: the token is more than 30 days old.
        SessionEnded: the session has ended by a logout or a new password, or the account is disabled.
    """
    now, digest = clock.now(), keys.digest(text)
    session_id = await session_queries.spend_token(session, digest, now)
    if session_id is None:
        return await _refuse(session, digest)
    expires_at = await session_queries.prolong(
        session, session_id, now=now, until=now + REFRESH_LIFETIME
    )
    if expires_at is None:
        raise SessionEnded
    live = await session_queries.live(session, session_id, now)
    row = None if live is None else await account_queries.account_by_id(session, live.user_id)
    if row is None:
        raise SessionEnded
    new = await session_queries.insert_token(session, session_id, now, expires_at)
    return SignedIn(account_of(row), session_id, new, expires_at)


async def current(session: Session, actor: Actor) -> LiveSession:
    """The actor's session.

    Raises:
        SessionRequired: the actor is an API key.
        CredentialInvalid: the session has ended since its credential was checked.
    """
    require_person(actor)
    row = None
    if actor.session_id is not None:
        row = await session_queries.live(session, actor.session_id, clock.now())
    if row is None:
        raise CredentialInvalid("The session has ended. Log in again.")
    return LiveSession(row.id, row.expires_at, row.ends_at)


async def extend(session: Session, current: LiveSession) -> LiveSession:
    """Extend a session to 30 days from now, as a refresh token does, but not beyond its end.

    Raises:
        CredentialInvalid: the session has ended since its credential was checked.
    """
    now = clock.now()
    expires_at = await session_queries.prolong(
        session, current.id, now=now, until=now + REFRESH_LIFETIME
    )
    if expires_at is None:
        raise CredentialInvalid("The session has ended. Log in again.")
    return replace(current, expires_at=expires_at)


async def _refuse(session: Session, digest: bytes) -> Reused:
    row = await session_queries.token(session, digest)
    if row is None:
        raise RefreshUnknown
    if row.used_at is None:
        raise RefreshExpired
    await session_queries.end(session, row.session_id, clock.now())
    return Reused(row.session_id)


async def end(session: Session, actor: Actor, *, everywhere: bool) -> list[UUID]:
    """Log out: end the actor's session, or all sessions of the user; returns the ids of those ended.

    Raises:
        SessionRequired: the actor is an API key.
    """
    require_person(actor)
    now = clock.now()
    if everywhere or actor.session_id is None:
        return await session_queries.end_all(session, actor.user_id, now)
    return await session_queries.end(session, actor.session_id, now)


async def of_user(session: Session, user_id: UUID) -> Sequence[Any]:
    """Rows of the newest sessions of a user that have not ended, for the operator."""
    return await session_queries.page(session, user_id, clock.now(), before=None, limit=MOST_LISTED)


async def end_all(session: Session, user_id: UUID) -> list[UUID]:
    """End all sessions of a user, for the operator; returns the ids of those ended."""
    await account_queries.lock_user(session, user_id, to_change=True)
    return await session_queries.end_all(session, user_id, clock.now())


async def end_one(session: Session, actor: Actor, session_id: UUID) -> None:
    """End a session of the user. Raises SessionNotFound if the user has no such session, or it has ended."""
    if not await session_queries.end(session, session_id, clock.now(), user_id=actor.user_id):
        raise SessionNotFound(session_id)


async def change_password(
    session: Session, actor: Actor, *, checked_hash: str, new_hash: str
) -> list[UUID]:
    """Change the password, end the user's other sessions, and invalidate reset tokens; returns the ids of the sessions.

    `checked_hash`: the hash that the current password was compared with, before the transaction.

    Raises:
        PasswordWrong: the password has changed since it was compared, or the account is disabled.
    """
    row = await account_queries.lock_user(session, actor.user_id, to_change=True)
    if row is None or row.password_hash != checked_hash:
        raise PasswordWrong
    return await set_password(session, actor.user_id, new_hash, but=actor.session_id)


async def set_password(
    session: Session, user_id: UUID, new_hash: str, *, but: UUID | None = None
) -> list[UUID]:
    """Set a password of a locked account, end all sessions except `but`, and invalidate reset tokens."""
    now = clock.now()
    await account_queries.update_password(session, user_id, new_hash)
    await reset_queries.spend_all(session, user_id, now)
    return await session_queries.end_all(session, user_id, now, but=but)
