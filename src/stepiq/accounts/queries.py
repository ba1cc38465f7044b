"""What accounts read and write."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepiq.store.database import Session
from stepiq.store.tables import (
    api_keys,
    memberships,
    refresh_tokens,
    sessions,
    users,
    workspaces,
)

Row = sa.Row[Any]

_SETUP_LOCK = 0x73746570  # any number that nothing else of ours locks

_ACCOUNT = (
    users.c.id,
    users.c.email,
    users.c.name,
    users.c.password_hash,
    users.c.is_admin,
    users.c.created_at,
    workspaces.c.id.label("workspace_id"),
    workspaces.c.plan,
)


async def is_empty(session: Session) -> bool:
    """Whether there is no account at all."""
    return await session.scalar(sa.select(users.c.id).limit(1)) is None


async def lock_setup(session: Session) -> None:
    """Let one transaction at a time decide who is first. SQLite has one writer at a time anyway."""
    if session.connection.dialect.name == "postgresql":
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_SETUP_LOCK)))


async def account_by_email(session: Session, email: str) -> Row | None:
    """An account that may log in, with its workspace."""
    return await _account(session, users.c.email == email)


async def account_by_id(session: Session, user_id: UUID) -> Row | None:
    """An account that may log in, with its workspace."""
    return await _account(session, users.c.id == user_id)


async def _account(session: Session, condition: sa.ColumnElement[bool]) -> Row | None:
    statement = (
        sa.select(*_ACCOUNT)
        .join(memberships, memberships.c.user_id == users.c.id)
        .join(workspaces, workspaces.c.id == memberships.c.workspace_id)
        .where(condition, users.c.disabled_at.is_(None))
    )
    return (await session.execute(statement)).first()


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The rows of a new account and its personal workspace."""

    user_id: UUID
    workspace_id: UUID
    email: str
    name: str
    password_hash: str
    is_admin: bool
    plan: str
    created_at: datetime


async def insert_account(session: Session, account: NewAccount) -> bool:
    """Store an account; False if somebody has just taken the address."""
    taken = await _insert_user(session, account)
    if taken:
        return False
    await session.execute(
        sa.insert(workspaces).values(
            id=account.workspace_id,
            name=account.name,
            plan=account.plan,
            created_at=account.created_at,
        )
    )
    await session.execute(
        sa.insert(memberships).values(
            workspace_id=account.workspace_id, user_id=account.user_id, role="owner"
        )
    )
    return True


async def update_plan(session: Session, workspace_id: UUID, plan: str) -> None:
    """Put a workspace on a plan."""
    await session.execute(
        sa.update(workspaces).where(workspaces.c.id == workspace_id).values(plan=plan)
    )


async def _insert_user(session: Session, account: NewAccount) -> bool:
    values = {
        "id": account.user_id,
        "email": account.email,
        "name": account.name,
        "password_hash": account.password_hash,
        "is_admin": account.is_admin,
        "created_at": account.created_at,
    }
    try:
        async with session.connection.begin_nested():
            await session.execute(sa.insert(users).values(values))
    except IntegrityError:
        return True
    return False


async def insert_session(
    session: Session,
    *,
    session_id: UUID,
    workspace_id: UUID,
    user_id: UUID,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Store a session."""
    await session.execute(
        sa.insert(sessions).values(
            id=session_id,
            workspace_id=workspace_id,
            user_id=user_id,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def insert_refresh_token(
    session: Session,
    *,
    token_id: UUID,
    session_id: UUID,
    token_hash: bytes,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Store a refresh token's digest."""
    await session.execute(
        sa.insert(refresh_tokens).values(
            id=token_id,
            session_id=session_id,
            token_hash=token_hash,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def live_session(session: Session, session_id: UUID, now: datetime) -> Row | None:
    """A session that counts, with its user's rights and its workspace's plan."""
    statement = (
        sa.select(
            sessions.c.id,
            sessions.c.user_id,
            sessions.c.workspace_id,
            sessions.c.expires_at,
            users.c.is_admin,
            workspaces.c.plan,
        )
        .join(users, users.c.id == sessions.c.user_id)
        .join(workspaces, workspaces.c.id == sessions.c.workspace_id)
        .where(
            sessions.c.id == session_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > now,
            users.c.disabled_at.is_(None),
        )
    )
    return (await session.execute(statement)).first()


async def live_key(session: Session, key_hash: bytes, now: datetime) -> Row | None:
    """An API key that counts, with its user's rights and its workspace's plan."""
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
        .where(
            api_keys.c.key_hash == key_hash,
            api_keys.c.revoked_at.is_(None),
            sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
            users.c.disabled_at.is_(None),
        )
    )
    return (await session.execute(statement)).first()


async def touch_key(
    session: Session, key_id: UUID, *, now: datetime, unless_since: datetime
) -> None:
    """Note that a key is in use, unless that has been noted since an instant."""
    await session.execute(
        sa.update(api_keys)
        .where(
            api_keys.c.id == key_id,
            sa.or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= unless_since),
        )
        .values(last_used_at=now)
    )


async def list_keys(
    session: Session, workspace_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Keys that have not been revoked, newest first; expired ones are among them."""
    statement = (
        sa.select(api_keys)
        .where(api_keys.c.workspace_id == workspace_id, api_keys.c.revoked_at.is_(None))
        .order_by(api_keys.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(api_keys.c.id < before)
    return (await session.execute(statement)).all()


async def insert_key(
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
    """Store a key's digest."""
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


async def revoke_key(session: Session, workspace_id: UUID, key_id: UUID, now: datetime) -> bool:
    """Revoke a key of this workspace; False if there is none that still counts."""
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
