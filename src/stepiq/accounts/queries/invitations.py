"""Queries of invitations: to register, or to join a workspace."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import new_token
from stepiq.core import clock, ids
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import has_enabled_member, newest
from stepiq.store.states import Role
from stepiq.store.tables import invitations, users, workspaces

Row = sa.Row[Any]


LIFETIME = timedelta(days=7)


async def insert(
    session: Session,
    email: str,
    *,
    workspace_id: UUID | None = None,
    role: Role | None = None,
    invited_by: UUID | None = None,
) -> tuple[Row, str]:
    """Store an invitation of an address, to a workspace with a role or to register; returns its row and its token.

    Unused earlier ones of the address to the same workspace are deleted.
    """
    of_workspace = invitations.c.workspace_id
    is_same = of_workspace.is_(None) if workspace_id is None else of_workspace == workspace_id
    await session.execute(
        sa.delete(invitations).where(
            invitations.c.email == email, invitations.c.used_at.is_(None), is_same
        )
    )
    now, token = clock.now(), new_token()
    new = sa.insert(invitations).values(
        id=ids.uuid7(),
        email=email,
        token_hash=keys.digest(token),
        created_at=now,
        expires_at=now + LIFETIME,
        workspace_id=workspace_id,
        role=role,
        invited_by=invited_by,
    )
    return (await session.execute(new.returning(invitations))).one(), token


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
