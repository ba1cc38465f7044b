"""Queries of API keys."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.tables import api_keys, users, workspaces

Row = sa.Row[Any]


async def live(session: Session, key_hash: bytes, now: datetime) -> Row | None:
    """A valid API key of an enabled user, with the user's rights and the workspace's plan."""
    statement = (
        sa.select(
            api_keys.c.id,
            api_keys.c.user_id,
            api_keys.c.workspace_id,
            api_keys.c.scopes,
            api_keys.c.expires_at,
            users.c.is_admin,
            workspaces.c.plan,
        )
        .join(users, users.c.id == api_keys.c.user_id)
        .join(workspaces, workspaces.c.id == api_keys.c.workspace_id)
        .where(api_keys.c.key_hash == key_hash, _counts(now), users.c.disabled_at.is_(None))
    )
    return (await session.execute(statement)).first()


async def live_ids(session: Session, wanted: Collection[UUID], now: datetime) -> set[UUID]:
    """The ids of the given keys that are still valid."""
    if not wanted:
        return set()
    statement = (
        sa.select(api_keys.c.id)
        .join(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.id.in_(wanted), _counts(now), users.c.disabled_at.is_(None))
    )
    return set((await session.execute(statement)).scalars())


async def touch(session: Session, key_id: UUID, *, now: datetime, unless_since: datetime) -> None:
    """Update `last_used_at`, unless it was updated after `unless_since`."""
    await session.execute(
        sa.update(api_keys)
        .where(
            api_keys.c.id == key_id,
            sa.or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= unless_since),
        )
        .values(last_used_at=now)
    )


async def list_all(
    session: Session, workspace_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Keys that have not been revoked, newest first, including expired ones."""
    statement = (
        sa.select(api_keys)
        .where(api_keys.c.workspace_id == workspace_id, api_keys.c.revoked_at.is_(None))
        .order_by(api_keys.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(api_keys.c.id < before)
    return (await session.execute(statement)).all()


async def insert(
    session: Session,
    *,
    key_id: UUID,
    workspace_id: UUID,
    user_id: UUID,
    name: str,
    prefix: str,
    key_hash: bytes,
    scopes: Sequence[str],
    expires_at: datetime | None,
    created_at: datetime,
) -> Row:
    """Store a key, as its digest."""
    statement = (
        sa.insert(api_keys)
        .values(
            id=key_id,
            workspace_id=workspace_id,
            user_id=user_id,
            name=name,
            prefix=prefix,
            key_hash=key_hash,
            scopes=list(scopes),
            expires_at=expires_at,
            created_at=created_at,
        )
        .returning(api_keys)
    )
    return (await session.execute(statement)).one()


async def lock(session: Session, workspace_id: UUID, key_id: UUID) -> Row | None:
    """Lock and return a key of this workspace that was not revoked."""
    statement = (
        sa.select(api_keys)
        .where(
            api_keys.c.id == key_id,
            api_keys.c.workspace_id == workspace_id,
            api_keys.c.revoked_at.is_(None),
        )
        .with_for_update()
    )
    return (await session.execute(statement)).one_or_none()


async def expire(session: Session, key_id: UUID, at: datetime) -> None:
    """Set when a locked key expires."""
    await session.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(expires_at=at))


async def revoke_all(session: Session, user_id: UUID, now: datetime) -> int:
    """Revoke the valid keys of a user; returns their number."""
    statement = (
        sa.update(api_keys)
        .where(api_keys.c.user_id == user_id, _counts(now))
        .values(revoked_at=now)
    )
    return (await session.execute(statement)).rowcount


async def revoke(session: Session, workspace_id: UUID, key_id: UUID, now: datetime) -> bool:
    """Revoke a key of this workspace, expired or not; False if it does not exist or was revoked."""
    statement = (
        sa.update(api_keys)
        .where(
            api_keys.c.id == key_id,
            api_keys.c.workspace_id == workspace_id,
            api_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return (await session.execute(statement)).rowcount == 1


def _counts(now: datetime) -> sa.ColumnElement[bool]:
    is_unexpired = sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    return sa.and_(api_keys.c.revoked_at.is_(None), is_unexpired)
