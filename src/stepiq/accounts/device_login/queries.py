"""Queries of logins with a code."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import ids
from stepiq.store.database import Session
from stepiq.store.states import DeviceLoginStatus
from stepiq.store.tables import device_logins

Row = sa.Row[Any]


async def insert(session: Session, **columns: Any) -> bool:
    """Store a login that waits for a decision; False if another one has the same code."""
    status = DeviceLoginStatus.PENDING
    new = session.insert(device_logins).values(id=ids.uuid7(), status=status, **columns)
    stored = new.on_conflict_do_nothing().returning(device_logins.c.id)
    return (await session.execute(stored)).first() is not None


async def by_user_code(
    session: Session, digest: bytes, now: datetime, *, is_locked: bool
) -> Row | None:
    """A login that has not expired, locked for a decision or not."""
    statement = sa.select(device_logins).where(
        device_logins.c.user_digest == digest, device_logins.c.expires_at > now
    )
    if is_locked:
        statement = statement.with_for_update()
    return (await session.execute(statement)).one_or_none()


async def lock(session: Session, device_digest: bytes, now: datetime) -> Row | None:
    """Lock a login that has not expired, for the program that has started it."""
    statement = (
        sa.select(device_logins)
        .where(device_logins.c.device_digest == device_digest, device_logins.c.expires_at > now)
        .with_for_update()
    )
    return (await session.execute(statement)).one_or_none()


async def approve(session: Session, login_id: UUID, workspace_id: UUID, session_id: UUID) -> None:
    """Record that a session has confirmed a locked login."""
    await _update(
        session,
        login_id,
        status=DeviceLoginStatus.APPROVED,
        workspace_id=workspace_id,
        session_id=session_id,
    )


async def deny(session: Session, login_id: UUID) -> None:
    """Record that a person has refused a locked login."""
    await _update(session, login_id, status=DeviceLoginStatus.DENIED)


async def use(session: Session, login_id: UUID) -> None:
    """Record that the program of a locked login has its key."""
    await _update(session, login_id, status=DeviceLoginStatus.USED)


async def polled(session: Session, login_id: UUID, now: datetime, interval: timedelta) -> None:
    """Record a request of the program of a locked login, and how long it must wait before the next."""
    await _update(session, login_id, polled_at=now, interval_seconds=int(interval.total_seconds()))


async def _update(session: Session, login_id: UUID, **values: Any) -> None:
    await session.execute(
        sa.update(device_logins).where(device_logins.c.id == login_id).values(**values)
    )
