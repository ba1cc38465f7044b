"""Queries of the administration of users. None of them sees deleted users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.queries import members
from stepiq.accounts.workspaces.service import Removal
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import membership_of, newest
from stepiq.store.states import Role
from stepiq.store.tables import (
    api_keys,
    identities,
    invitations,
    memberships,
    metadata,
    sessions,
    totp_secrets,
    users,
    workspaces,
)
from stepiq.store.types import contains, fold


class Data(StrEnum):
    """What happens to the data of a deleted user."""

    KEEP = "keep"
    """Workspaces stay, also those without other members."""
    ERASE = "erase"
    """Workspaces without other members are erased."""


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list has. None: any."""

    email: str | None = None
    q: str | None = None
    """A part of the address or of the name."""
    is_disabled: bool | None = None
    is_admin: bool | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What the deletion of a user has done."""

    sessions_ended: int
    api_keys_revoked: int
    removals: dict[UUID, Removal]
    """What ended in each workspace of the user."""
    left: list[UUID]
    """Workspaces that no longer have a member. They stay, or are being erased."""


Row = sa.Row[Any]

_KEPT_WITH_WORKSPACES = frozenset({"memberships", "api_keys", "sessions", "bulk_jobs"})
"""Tables with a `user_id` whose rows remain: they belong to a workspace, or show what a person did there."""

_workspaces = (
    sa.select(sa.func.count())
    .select_from(memberships)
    .where(membership_of(users.c.id))
    .correlate(users)
    .scalar_subquery()
)
_select = (
    sa.select(
        users.c.id,
        users.c.email,
        users.c.email_verified_at.is_not(None).label("email_verified"),
        users.c.name,
        users.c.is_admin,
        users.c.disabled_at.is_not(None).label("disabled"),
        users.c.created_at,
        workspaces.c.plan,
        _workspaces.label("workspaces"),
    )
    .select_from(users)
    .outerjoin(workspaces, workspaces.c.id == members.first_workspace(users.c.id))
    .where(users.c.deleted_at.is_(None))
)


async def page(
    session: Session, wanted: UserFilter, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Users that match a filter, newest first."""
    statement = newest(_select, users.c.id, before, limit)
    if wanted.email is not None:
        statement = statement.where(users.c.email == wanted.email)
    if wanted.q is not None:
        has_address = users.c.email.contains(wanted.q.lower(), autoescape=True)
        is_named = contains(users.c.name_folded, wanted.q)
        statement = statement.where(has_address | is_named)
    if wanted.is_disabled is not None:
        is_disabled = users.c.disabled_at.is_not(None)
        statement = statement.where(is_disabled if wanted.is_disabled else ~is_disabled)
    if wanted.is_admin is not None:
        statement = statement.where(users.c.is_admin == wanted.is_admin)
    return (await session.execute(statement)).all()


async def find(session: Session, user_id: UUID) -> Row | None:
    """A user."""
    return (await session.execute(_select.where(users.c.id == user_id))).one_or_none()


async def lock(session: Session, user_id: UUID) -> Row | None:
    """Lock and return a user. Opening a session waits for this lock."""
    statement = sa.select(users.c.id, users.c.email, users.c.is_admin, users.c.disabled_at).where(
        users.c.id == user_id, users.c.deleted_at.is_(None)
    )
    return (await session.execute(statement.with_for_update(key_share=True))).one_or_none()


async def set_admin(session: Session, user_id: UUID, *, is_admin: bool) -> None:
    """Make a user an administrator of the server, or an ordinary user. Groups of a provider no longer decide it."""
    await session.execute(sa.update(users).where(users.c.id == user_id).values(is_admin=is_admin))
    await session.execute(
        sa.update(identities).where(identities.c.user_id == user_id).values(gives_admin=False)
    )


async def memberships_of(session: Session, user_id: UUID) -> Sequence[Row]:
    """The workspaces of a user, the first one first: the user's role, the number of members, and of owners."""
    other = memberships.alias("other")

    def number(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return (
            sa.select(sa.func.count())
            .select_from(other)
            .where(
                other.c.workspace_id == memberships.c.workspace_id,
                other.c.removed_at.is_(None),
                *conditions,
            )
            .correlate(memberships)
            .scalar_subquery()
        )

    statement = (
        sa.select(
            workspaces.c.id,
            workspaces.c.name,
            memberships.c.role,
            number().label("members"),
            number(other.c.role == Role.OWNER).label("owners"),
        )
        .join(workspaces, workspaces.c.id == memberships.c.workspace_id)
        .where(membership_of(user_id))
        .order_by(*members.FIRST_JOINED)
    )
    return (await session.execute(statement)).all()


async def lock_workspaces(session: Session, user_id: UUID) -> list[UUID]:
    """Lock the workspaces of a user until the transaction ends: nobody joins them meanwhile."""
    own = sa.select(memberships.c.workspace_id).where(membership_of(user_id))
    statement = (
        sa.select(workspaces.c.id)
        .where(workspaces.c.id.in_(own))
        .order_by(workspaces.c.id)
        .with_for_update()
    )
    return list((await session.execute(statement)).scalars())


async def counts(session: Session, user_id: UUID, now: datetime) -> Row:
    """The numbers of a user's sessions and personal API keys that work, and whether a login needs a code."""
    of_user = sa.select(sa.func.count()).select_from(sessions)
    live_sessions = of_user.where(
        sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now
    )
    live_keys = (
        sa.select(sa.func.count())
        .select_from(api_keys)
        .where(
            api_keys.c.user_id == user_id,
            api_keys.c.kind == "personal",
            api_keys.c.revoked_at.is_(None),
            sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
        )
    )
    statement = sa.select(
        live_sessions.scalar_subquery().label("sessions"),
        live_keys.scalar_subquery().label("api_keys"),
        sa.exists()
        .where(totp_secrets.c.user_id == user_id, totp_secrets.c.confirmed_at.is_not(None))
        .label("two_factor"),
    )
    return (await session.execute(statement)).one()


async def anonymise(
    session: Session, user_id: UUID, *, email: str, name: str, password_hash: str, now: datetime
) -> None:
    """Replace the personal data of a user, and mark the user as deleted."""
    await session.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(
            email=email,
            name=name,
            name_folded=fold(name),
            password_hash=password_hash,
            is_admin=False,
            disabled_at=sa.func.coalesce(
                users.c.disabled_at, sa.literal(now, users.c.disabled_at.type)
            ),
            deleted_at=now,
        )
    )


def personal_tables() -> list[sa.Table]:
    """The tables whose rows are deleted with their user, the dependent ones first."""
    return [
        table
        for table in reversed(metadata.sorted_tables)
        if "user_id" in table.c and table.name not in _KEPT_WITH_WORKSPACES
    ]


async def delete_personal(session: Session, user_id: UUID, email: str) -> None:
    """Delete what belongs to a user alone: drafts, reset tokens, known clients, and so on; and invitations of the address."""
    for table in personal_tables():
        await session.execute(sa.delete(table).where(table.c.user_id == user_id))
    await session.execute(sa.delete(invitations).where(invitations.c.email == email))
