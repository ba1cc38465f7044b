"""Queries of sessions and their refresh tokens."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import new_token
from stepiq.accounts.devices import SessionOrigin
from stepiq.accounts.queries import members
from stepiq.accounts.queries.last_used import LastUses
from stepiq.core import ids
from stepiq.store.database import Database, Session
from stepiq.store.statements.workspaces import PLAN, membership_of, newest
from stepiq.store.tables import memberships, refresh_tokens, sessions, users, workspaces

Row = sa.Row[Any]


async def insert(
    session: Session,
    session_id: UUID,
    workspace_id: UUID,
    user_id: UUID,
    origin: SessionOrigin | None,
    *,
    now: datetime,
    until: datetime,
) -> None:
    """Store a session that begins now."""
    await session.execute(
        sa.insert(sessions).values(
            id=session_id,
            workspace_id=workspace_id,
            user_id=user_id,
            created_at=now,
            expires_at=until,
            last_used_at=now,
            client=None if origin is None else origin.client,
            device=None if origin is None else origin.device,
        )
    )


async def insert_token(session: Session, session_id: UUID, now: datetime, until: datetime) -> str:
    """Store a new refresh token, as its digest; returns the token."""
    token = new_token()
    await session.execute(
        sa.insert(refresh_tokens).values(
            id=ids.uuid7(),
            session_id=session_id,
            token_hash=keys.digest(token),
            created_at=now,
            expires_at=until,
        )
    )
    return token


async def live(
    session: Session, session_id: UUID, now: datetime, *, workspace_id: UUID | None = None
) -> Row | None:
    """A valid session of an enabled user, with the user's role in a workspace and the workspace's plan.

    Without `workspace_id`, the workspace is the one that the user joined first. If the user is not a member of the workspace,
    or of any, `workspace_id`, `role` and `plan` of the row are None.
    """
    # Subqueries, because PostgreSQL can always use the index for them; for a join, it may read the whole table.
    membership = (
        sa.select(memberships.c.workspace_id)
        .where(membership_of(sessions.c.user_id))
        .order_by(*members.FIRST_JOINED)
        .limit(1)
        .correlate(sessions)
    )
    if workspace_id is not None:
        membership = membership.where(memberships.c.workspace_id == workspace_id)
    plan = membership.join(workspaces, workspaces.c.id == memberships.c.workspace_id)
    statement = (
        sa.select(
            sessions.c.id,
            sessions.c.user_id,
            sessions.c.created_at,
            sessions.c.expires_at,
            sessions.c.ends_at,
            users.c.is_admin,
            membership.scalar_subquery().label("workspace_id"),
            membership.with_only_columns(memberships.c.role).scalar_subquery().label("role"),
            plan.with_only_columns(PLAN).scalar_subquery().label("plan"),
        )
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.id == session_id, _counts(now), users.c.disabled_at.is_(None))
    )
    return (await session.execute(statement)).first()


async def live_rights(
    session: Session, wanted: Collection[UUID], now: datetime
) -> dict[tuple[UUID | None, UUID], Row]:
    """`role` and `is_admin` of those of the given sessions that are still valid, by session and workspace of its user."""
    if not wanted:
        return {}
    statement = (
        sa.select(sessions.c.id, memberships.c.workspace_id, memberships.c.role, users.c.is_admin)
        .join(users, users.c.id == sessions.c.user_id)
        .join(memberships, membership_of(sessions.c.user_id))
        .where(sessions.c.id.in_(wanted), _counts(now), users.c.disabled_at.is_(None))
    )
    return {(row.id, row.workspace_id): row for row in await session.execute(statement)}


async def spend_token(session: Session, token_hash: bytes, now: datetime) -> UUID | None:
    """Mark a refresh token as used; returns its session, or None if invalid. One of two concurrent calls succeeds."""
    statement = (
        sa.update(refresh_tokens)
        .where(
            refresh_tokens.c.token_hash == token_hash,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(refresh_tokens.c.session_id)
    )
    return (await session.execute(statement)).scalar()


async def token(session: Session, token_hash: bytes) -> Row | None:
    """A refresh token, used or not, with the ids of its session and user."""
    statement = (
        sa.select(
            refresh_tokens.c.session_id,
            refresh_tokens.c.used_at,
            refresh_tokens.c.expires_at,
            sessions.c.user_id,
        )
        .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
        .where(refresh_tokens.c.token_hash == token_hash)
    )
    return (await session.execute(statement)).first()


async def limit(session: Session, session_id: UUID, ends_at: datetime) -> None:
    """End a session at a time before its expiry, however much it is used until then."""
    await session.execute(
        sa.update(sessions)
        .where(sessions.c.id == session_id)
        .values(expires_at=ends_at, ends_at=ends_at)
    )


async def prolong(
    session: Session, session_id: UUID, *, now: datetime, until: datetime
) -> datetime | None:
    """Extend a session, but not beyond its end; returns when it expires. None if it has ended."""
    wanted = sa.literal(until, sessions.c.expires_at.type)
    statement = (
        sa.update(sessions)
        .where(_counts(now), sessions.c.id == session_id)
        .values(expires_at=sa.case((sessions.c.ends_at < wanted, sessions.c.ends_at), else_=wanted))
        .returning(sessions.c.expires_at)
    )
    return (await session.execute(statement)).scalar()


async def page(
    session: Session, user_id: UUID, now: datetime, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Sessions of a user that have not ended, newest first."""
    statement = sa.select(sessions).where(sessions.c.user_id == user_id, _counts(now))
    page = newest(statement, sessions.c.id, before, limit)
    return (await session.execute(page)).all()


def last_uses(database: Database) -> LastUses:
    """Notes the uses of sessions."""
    return LastUses(database, sessions)


async def end(
    session: Session, session_id: UUID, now: datetime, *, user_id: UUID | None = None
) -> list[UUID]:
    """End a session, of this user if given; returns its id, or nothing if there is none that has not ended."""
    condition = sessions.c.id == session_id
    if user_id is not None:
        condition &= sessions.c.user_id == user_id
    return await _end(session, condition, now)


async def end_all(
    session: Session, user_id: UUID, now: datetime, *, but: UUID | None = None
) -> list[UUID]:
    """End all sessions of a user, except `but`; returns their ids."""
    condition = sessions.c.user_id == user_id
    if but is not None:
        condition &= sessions.c.id != but
    return await _end(session, condition, now)


async def _end(session: Session, condition: sa.ColumnElement[bool], now: datetime) -> list[UUID]:
    statement = (
        sa.update(sessions)
        .where(condition, _counts(now))
        # An ended session also expires, so that one index finds all sessions to delete.
        .values(revoked_at=now, expires_at=now)
        .returning(sessions.c.id)
    )
    return list((await session.execute(statement)).scalars())


def _counts(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
