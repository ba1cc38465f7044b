"""Queries of the members of workspaces. A removed member keeps a row, which only `is_removed` reads."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements.workspaces import PLAN, has_enabled_member, membership_of, newest
from stepiq.store.states import Role
from stepiq.store.tables import memberships, users, workspaces

Row = sa.Row[Any]

FIRST_JOINED = (memberships.c.joined_at, memberships.c.workspace_id)
"""The order in which a user joined workspaces."""


@dataclass(frozen=True, slots=True)
class NewMember:
    """A user who joins a workspace."""

    workspace_id: UUID
    user_id: UUID
    role: Role
    joined_at: datetime
    invited_by: UUID | None = None


def first_workspace(user_id: sa.ColumnElement[UUID], of: sa.Table = users) -> sa.ScalarSelect[UUID]:
    """The workspace that a user joined first, as a subquery. `of` is the table of the id."""
    return (
        sa.select(memberships.c.workspace_id)
        .where(membership_of(user_id))
        .order_by(*FIRST_JOINED)
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )


async def add(session: Session, new: NewMember) -> bool:
    """Add a member, or a removed one again; False if the user is a member already, or the workspace is being erased."""
    # A deletion that finds no other member locks the workspace. It must not overlook this one.
    joinable = (
        sa.select(workspaces.c.id)
        .where(workspaces.c.id == new.workspace_id, workspaces.c.deleted_at.is_(None))
        .with_for_update(read=True, key_share=True)
    )
    if await session.scalar(joinable) is None:
        return False
    added = session.insert(memberships).values(asdict(new))
    again = {name: added.excluded[name] for name in ("role", "joined_at", "invited_by")}
    statement = added.on_conflict_do_update(
        index_elements=["workspace_id", "user_id"],
        set_={**again, "removed_at": None, "address_digest": None},
        where=memberships.c.removed_at.is_not(None),
    ).returning(memberships.c.user_id)
    return (await session.execute(statement)).first() is not None


async def page(
    session: Session, workspace_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Members of a workspace, the newest account first."""
    statement = newest(_members(workspace_id), memberships.c.user_id, before, limit)
    return (await session.execute(statement)).all()


async def user_ids(session: Session, workspace_id: UUID) -> Sequence[UUID]:
    """All members of a workspace."""
    statement = (
        sa.select(memberships.c.user_id)
        .where(memberships.c.workspace_id == workspace_id, memberships.c.removed_at.is_(None))
        .order_by(memberships.c.user_id)
    )
    return (await session.execute(statement)).scalars().all()


async def find(session: Session, workspace_id: UUID, user_id: UUID) -> Row | None:
    """A member of a workspace."""
    statement = _members(workspace_id).where(memberships.c.user_id == user_id)
    return (await session.execute(statement)).one_or_none()


def _members(workspace_id: UUID) -> Any:
    return (
        sa.select(
            users.c.id,
            users.c.email,
            users.c.name,
            users.c.disabled_at,
            memberships.c.role,
            memberships.c.joined_at,
        )
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.workspace_id == workspace_id, memberships.c.removed_at.is_(None))
    )


async def lock_owners(session: Session, workspace_id: UUID) -> set[UUID]:
    """Lock the owners of a workspace until the transaction ends, so that two changes cannot remove the last two."""
    statement = (
        sa.select(memberships.c.user_id)
        .where(
            memberships.c.workspace_id == workspace_id,
            memberships.c.role == Role.OWNER,
            memberships.c.removed_at.is_(None),
        )
        .order_by(memberships.c.user_id)
        .with_for_update()
    )
    return set((await session.execute(statement)).scalars())


async def lock_role(session: Session, workspace_id: UUID, user_id: UUID) -> Role | None:
    """The role of a user, which does not change until the transaction ends; None if the user is not a member."""
    statement = (
        sa.select(memberships.c.role)
        .where(memberships.c.workspace_id == workspace_id, membership_of(user_id))
        .with_for_update(read=True)
    )
    role = await session.scalar(statement)
    return None if role is None else Role(role)


async def set_role(session: Session, workspace_id: UUID, user_id: UUID, role: Role) -> None:
    """Change the role of a member."""
    await session.execute(
        sa.update(memberships)
        .where(memberships.c.workspace_id == workspace_id, membership_of(user_id))
        .values(role=role)
    )


async def remove(
    session: Session, workspace_id: UUID, user_id: UUID, email: str, now: datetime
) -> None:
    """Remove a member with this address."""
    await session.execute(
        sa.update(memberships)
        .where(memberships.c.workspace_id == workspace_id, membership_of(user_id))
        .values(removed_at=now, address_digest=_digest(user_id, email))
    )


async def is_removed(session: Session, workspace_id: UUID, email: str) -> bool:
    """Whether an address is that of a removed member, of a deleted account, or of a member whose account is disabled."""
    present = sa.select(users.c.disabled_at).where(
        users.c.email == email,
        memberships.c.workspace_id == workspace_id,
        membership_of(users.c.id),
    )
    member = (await session.execute(present)).one_or_none()
    if member is not None:
        return member.disabled_at is not None
    removed = sa.select(memberships.c.user_id, memberships.c.address_digest).where(
        memberships.c.workspace_id == workspace_id, memberships.c.removed_at.is_not(None)
    )
    return any(
        row.address_digest == _digest(row.user_id, email) for row in await session.execute(removed)
    )


def _digest(user_id: UUID, email: str) -> bytes:
    # With the id, two accounts that had the same address do not have the same digest.
    return hashlib.sha256(user_id.bytes + email.encode()).digest()


async def stopped_workspaces(session: Session, user_id: UUID) -> Sequence[UUID]:
    """The workspaces of a user that have no enabled member."""
    statement = sa.select(memberships.c.workspace_id).where(
        membership_of(user_id), ~has_enabled_member(memberships.c.workspace_id)
    )
    return (await session.execute(statement)).scalars().all()


async def is_stopped(session: Session, workspace_id: UUID) -> bool:
    """Whether a workspace has no enabled member."""
    wanted = has_enabled_member(sa.literal(workspace_id, memberships.c.workspace_id.type))
    return not await session.scalar(sa.select(wanted))


async def workspaces_of(session: Session, user_id: UUID) -> Sequence[Row]:
    """The workspaces of a user with the user's role, the one joined first comes first."""
    statement = (
        sa.select(
            workspaces.c.id,
            workspaces.c.name,
            PLAN,
            workspaces.c.created_at,
            memberships.c.role,
            memberships.c.joined_at,
        )
        .join(memberships, memberships.c.workspace_id == workspaces.c.id)
        .where(membership_of(user_id))
        .order_by(*FIRST_JOINED)
    )
    return (await session.execute(statement)).all()
