"""Queries of requests with an idempotency key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.tables import idempotent_requests

Row = sa.Row[Any]

_SWEPT_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class RequestName:
    """Identifies a request. At most one request of each name is executed."""

    workspace_id: UUID
    route: str
    """Method and path."""
    key: str


async def insert(
    session: Session,
    name: RequestName,
    *,
    principal_id: UUID,
    request_hash: bytes,
    created_at: datetime,
) -> bool:
    """Store a request before its work; False if it is already stored.

    On PostgreSQL, this waits for a transaction in progress that has stored the same request.
    """
    added = await session.execute(
        session.insert(idempotent_requests)
        .values(
            workspace_id=name.workspace_id,
            route=name.route,
            key=name.key,
            principal_id=principal_id,
            request_hash=request_hash,
            created_at=created_at,
        )
        .on_conflict_do_nothing()
        .returning(idempotent_requests.c.key)
    )
    return added.one_or_none() is not None


async def find(session: Session, name: RequestName) -> Row | None:
    """A stored request with its response, or None."""
    return (await session.execute(sa.select(idempotent_requests).where(_is(name)))).one_or_none()


async def answer(
    session: Session, name: RequestName, *, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Store the response of a stored request."""
    await session.execute(
        sa.update(idempotent_requests)
        .where(_is(name))
        .values(status=status, headers=headers, body=body)
    )


async def delete(session: Session, name: RequestName) -> None:
    """Delete a request."""
    await session.execute(sa.delete(idempotent_requests).where(_is(name)))


async def sweep(session: Session, created_before: datetime) -> int:
    """Delete a batch of older requests, the oldest first. Returns their number."""
    return await sweeping.delete_oldest(
        session, idempotent_requests.c.created_at, created_before, _SWEPT_AT_ONCE
    )


def _is(name: RequestName) -> sa.ColumnElement[bool]:
    table = idempotent_requests
    return sa.and_(
        table.c.workspace_id == name.workspace_id,
        table.c.route == name.route,
        table.c.key == name.key,
    )
