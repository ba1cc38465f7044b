"""Queries of API keys."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.queries.last_used import LastUses
from stepiq.store.database import Database, Session
from stepiq.store.statements.workspaces import PLAN, has_enabled_member, membership_of, newest
from stepiq.store.states import KeyKind
from stepiq.store.tables import api_keys, memberships, users, workspaces

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True)
class Belonging:
    """Which keys of a workspace."""

    workspace_id: UUID
    user_id: UUID | None
    """The personal keys of this member. None: the service keys."""

    @property
    def kind(self) -> KeyKind:
        """The kind of the keys."""
        return KeyKind.SERVICE if self.user_id is None else KeyKind.PERSONAL


def _belongs(keys: Belonging) -> sa.ColumnElement[bool]:
    condition = sa.and_(api_keys.c.workspace_id == keys.workspace_id, api_keys.c.kind == keys.kind)
    return condition if keys.user_id is None else condition & (api_keys.c.user_id == keys.user_id)


# A subquery, because PostgreSQL can always use the index for it; for a join, it may read the whole table.
_ROLE = (
    sa.select(memberships.c.role)
    .where(membership_of(api_keys.c.user_id), memberships.c.workspace_id == api_keys.c.workspace_id)
    .correlate(api_keys)
    .scalar_subquery()
)


async def live(session: Session, key_hash: bytes, now: datetime) -> Row | None:
    """A valid API key with the workspace's plan, and with the member's role if it is personal.

    A personal key is valid if its owner is an enabled member. A service key is valid if any member is enabled.
    """
    statement = (
        _live(
            sa.select(
                api_keys.c.id,
                api_keys.c.kind,
                api_keys.c.user_id,
                api_keys.c.workspace_id,
                api_keys.c.scopes,
                api_keys.c.expires_at,
                _ROLE.label("role"),
                PLAN,
            ),
            now,
        )
        .join(workspaces, workspaces.c.id == api_keys.c.workspace_id)
        .where(api_keys.c.key_hash == key_hash)
    )
    return (await session.execute(statement)).first()


async def live_ids(session: Session, wanted: Collection[UUID], now: datetime) -> set[UUID]:
    """The ids of the given keys that are still valid."""
    if not wanted:
        return set()
    statement = _live(sa.select(api_keys.c.id), now).where(api_keys.c.id.in_(wanted))
    return set((await session.execute(statement)).scalars())


def _live(columns: Any, now: datetime) -> Any:
    is_of_member = _ROLE.is_not(None) & users.c.disabled_at.is_(None)
    is_of_workspace = sa.and_(
        api_keys.c.kind == KeyKind.SERVICE, has_enabled_member(api_keys.c.workspace_id)
    )
    return columns.join(users, users.c.id == api_keys.c.user_id).where(
        _counts(now), sa.or_(is_of_workspace, is_of_member)
    )


async def name(session: Session, key_id: UUID) -> str:
    """The name of a key, revoked or not."""
    return await session.scalar(sa.select(api_keys.c.name).where(api_keys.c.id == key_id))


def last_uses(database: Database) -> LastUses:
    """Notes the uses of keys."""
    return LastUses(database, api_keys)


async def page(
    session: Session, belongs: Belonging, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Keys that have not been revoked, newest first, including expired ones."""
    statement = sa.select(api_keys).where(_belongs(belongs), api_keys.c.revoked_at.is_(None))
    page = newest(statement, api_keys.c.id, before, limit)
    return (await session.execute(page)).all()


async def insert(session: Session, **columns: Any) -> Row:
    """Store a key, as its digest."""
    statement = sa.insert(api_keys).values(columns).returning(api_keys)
    return (await session.execute(statement)).one()


async def find(session: Session, belongs: Belonging, key_id: UUID) -> Row | None:
    """A key that was not revoked."""
    return (await session.execute(_unrevoked(belongs, key_id))).one_or_none()


async def lock(session: Session, belongs: Belonging, key_id: UUID) -> Row | None:
    """Lock and return a key that was not revoked."""
    statement = _unrevoked(belongs, key_id).with_for_update()
    return (await session.execute(statement)).one_or_none()


def _unrevoked(belongs: Belonging, key_id: UUID) -> sa.Select[Any]:
    return sa.select(api_keys).where(
        api_keys.c.id == key_id, _belongs(belongs), api_keys.c.revoked_at.is_(None)
    )


async def expire(session: Session, key_id: UUID, at: datetime, lifetime: int) -> None:
    """Set when a locked key that is rolled expires.

    `lifetime`: seconds that it was valid for before it was first rolled; 0: without an end.
    """
    await session.execute(
        sa.update(api_keys)
        .where(api_keys.c.id == key_id)
        .values(expires_at=at, lifetime_before_roll=lifetime)
    )


async def revoke_all(
    session: Session, user_id: UUID, now: datetime, *, workspace_id: UUID | None = None
) -> int:
    """Revoke the personal keys of a user, in this workspace if given; returns the number of those that were valid.

    Expired keys are revoked too, because they count for the plan until then.
    """
    statement = sa.update(api_keys).where(
        api_keys.c.user_id == user_id,
        api_keys.c.kind == KeyKind.PERSONAL,
        api_keys.c.revoked_at.is_(None),
    )
    if workspace_id is not None:
        statement = statement.where(api_keys.c.workspace_id == workspace_id)
    revoked = statement.values(revoked_at=now).returning(api_keys.c.expires_at)
    ends = (await session.execute(revoked)).scalars().all()
    return sum(end is None or end > now for end in ends)


async def revoke(session: Session, key_id: UUID, now: datetime) -> None:
    """Revoke a locked key, expired or not."""
    await session.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now))


def _counts(now: datetime) -> sa.ColumnElement[bool]:
    is_unexpired = sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    return sa.and_(api_keys.c.revoked_at.is_(None), is_unexpired)
