"""Queries of invitations: to register, or to join a workspace."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements.workspaces import has_enabled_member, newest
from stepiq.store.states import Role
from stepiq.store.tables import invitations, users, workspaces

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation of one address."""

    id: UUID
    email: str
    token_hash: bytes
    created_at: datetime
    expires_at: datetime
    workspace_id: UUID | None = None
    """The workspace to join. None: the person gets an own one."""
    role: Role | None = None
    """The role in the workspace. None without a workspace."""
    invited_by: UUID | None = None


async def insert(session: Session, new: NewInvitation) -> Row:
    """Store an invitation, and delete unused earlier ones of the address to the same workspace."""
    is_same = (
        invitations.c.workspace_id.is_(None)
        if new.workspace_id is None
        else invitations.c.workspace_id == new.workspace_id
    )
    await session.execute(
        sa.delete(invitations).where(
            invitations.c.email == new.email, invitations.c.used_at.is_(None), is_same
        )
    )
    statement = sa.insert(invitations).values(asdict(new)).returning(invitations)
    return (await session.execute(statement)).one()


async def find(session: Session, token_hash: bytes, now: datetime) -> Row | None:
    """A valid invitation, with the name of its workspace, and whether its address has an account."""
    has_account = sa.exists().where(users.c.email == invitations.c.email).label("has_account")
    statement = (
        sa.select(invitations, workspaces.c.name.label("workspace_name"), has_account)
        .outerjoin(workspaces, workspaces.c.id == invitations.c.workspace_id)
        .where(invitations.c.token_hash == token_hash, _is_open(now))
    )
    return (await session.execute(statement)).one_or_none()


async def spend(session: Session, token_hash: bytes, email: str, now: datetime) -> Row | None:
    """Mark an invitation of this address as used; None if it is not valid. Only one of two concurrent calls succeeds."""
    statement = (
        sa.update(invitations)
        .where(invitations.c.token_hash == token_hash, invitations.c.email == email, _is_open(now))
        .values(used_at=now)
        .returning(invitations)
    )
    return (await session.execute(statement)).one_or_none()


async def is_open(session: Session, email: str, now: datetime) -> bool:
    """Whether an address has an open invitation, to a workspace or to register."""
    wanted = sa.exists().where(invitations.c.email == email, _is_open(now))
    return await session.scalar(sa.select(wanted)) or False


async def is_invited(session: Session, email: str, now: datetime) -> bool:
    """Whether an address has an open invitation to a workspace."""
    return await session.scalar(sa.select(sa.exists(_to_workspaces(email, now)))) or False


async def spend_all(session: Session, email: str, now: datetime) -> Sequence[Row]:
    """Mark all open invitations of an address to workspaces as used; returns them."""
    wanted = _to_workspaces(email, now).subquery()
    statement = (
        sa.update(invitations)
        .where(invitations.c.id.in_(sa.select(wanted.c.id)), _is_open(now))
        .values(used_at=now)
        .returning(invitations)
    )
    return (await session.execute(statement)).all()


def _to_workspaces(email: str, now: datetime) -> sa.Select[Any]:
    return sa.select(invitations.c.id).where(
        invitations.c.email == email, invitations.c.workspace_id.is_not(None), _is_open(now)
    )


async def page(
    session: Session, workspace_id: UUID, now: datetime, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """The open invitations of a workspace, newest first."""
    statement = sa.select(invitations).where(
        invitations.c.workspace_id == workspace_id, _is_open(now)
    )
    page = newest(statement, invitations.c.id, before, limit)
    return (await session.execute(page)).all()


async def delete(session: Session, workspace_id: UUID, invitation_id: UUID) -> Row | None:
    """Delete an unused invitation of a workspace; None if there is none."""
    statement = (
        sa.delete(invitations)
        .where(
            invitations.c.id == invitation_id,
            invitations.c.workspace_id == workspace_id,
            invitations.c.used_at.is_(None),
        )
        .returning(invitations)
    )
    return (await session.execute(statement)).one_or_none()


def _is_open(now: datetime) -> sa.ColumnElement[bool]:
    # A new member restarts a stopped workspace, so only invitations by the server's operator, which name no member, are
    # open there.
    is_permitted = sa.or_(
        invitations.c.invited_by.is_(None), has_enabled_member(invitations.c.workspace_id)
    )
    joined = workspaces.alias("joined")
    erased_since = sa.select(joined.c.deleted_at).where(joined.c.id == invitations.c.workspace_id)
    return sa.and_(
        invitations.c.used_at.is_(None),
        invitations.c.expires_at > now,
        is_permitted,
        erased_since.scalar_subquery().is_(None),
    )
