"""Queries of password resets: their tokens, and what ends with an earlier password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.credentials import api_keys as keys
from stepiq.core import clock, ids
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import membership_of
from stepiq.store.states import BulkStatus, KeyKind
from stepiq.store.tables import (
    api_keys,
    bulk_jobs,
    identities,
    invitations,
    memberships,
    password_resets,
    schedules,
)


async def insert(session: Session, user_id: UUID, token: str, lifetime: timedelta) -> UUID:
    """Store a new token, as its digest; returns its id."""
    now, reset_id = clock.now(), ids.uuid7()
    await session.execute(
        sa.insert(password_resets).values(
            id=reset_id,
            user_id=user_id,
            token_hash=keys.digest(token),
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    return reset_id


async def count_since(session: Session, user_id: UUID, since: datetime) -> int:
    """The number of tokens created for a user after an instant."""
    statement = sa.select(sa.func.count()).where(
        password_resets.c.user_id == user_id, password_resets.c.created_at > since
    )
    return int(await session.scalar(statement))


async def owner(session: Session, token_hash: bytes, now: datetime) -> UUID | None:
    """The user of a valid token."""
    return await session.scalar(
        sa.select(password_resets.c.user_id).where(
            password_resets.c.token_hash == token_hash, _counts(now)
        )
    )


async def spend(session: Session, token_hash: bytes, now: datetime) -> bool:
    """Mark a token as used; False if it is no longer valid. Only one of two concurrent calls succeeds."""
    statement = (
        sa.update(password_resets)
        .where(password_resets.c.token_hash == token_hash, _counts(now))
        .values(used_at=now)
    )
    return (await session.execute(statement)).rowcount == 1


async def spend_all(session: Session, user_id: UUID, now: datetime) -> None:
    """Mark all tokens of a user as used."""
    await session.execute(
        sa.update(password_resets)
        .where(password_resets.c.user_id == user_id, _counts(now))
        .values(used_at=now)
    )


async def delete(session: Session, reset_id: UUID) -> None:
    """Delete a token that was not sent."""
    await session.execute(sa.delete(password_resets).where(password_resets.c.id == reset_id))


def _counts(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(password_resets.c.used_at.is_(None), password_resets.c.expires_at > now)


async def suspend_identities(session: Session, user_id: UUID, now: datetime) -> None:
    """Refuse sign-ins with the identities of a user until the person connects them again."""
    await session.execute(
        sa.update(identities)
        .where(identities.c.user_id == user_id, identities.c.suspended_at.is_(None))
        .values(suspended_at=now)
    )


async def cancel_bulk_jobs(session: Session, user_id: UUID, now: datetime) -> None:
    """End the unfinished bulk jobs that a user created with a session. Those of API keys end with their keys."""
    # The indexes of the table begin with the workspace.
    workspaces = sa.select(memberships.c.workspace_id).where(membership_of(user_id))
    await session.execute(
        sa.update(bulk_jobs)
        .where(
            bulk_jobs.c.workspace_id.in_(workspaces),
            bulk_jobs.c.completed_at.is_(None),
            bulk_jobs.c.user_id == user_id,
            bulk_jobs.c.key_id.is_(None),
        )
        .values(status=BulkStatus.CANCELLED, completed_at=now, continue_at=None)
    )


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What a user has made in their workspaces, and all that is in those without another member."""

    user_id: UUID
    workspaces: Sequence[UUID]
    own_workspaces: Sequence[UUID]
    """Those without another member."""

    def rows(self, table: sa.Table, made_by: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """The condition that a row of a table belongs to it. `made_by` is the column of the user."""
        return sa.and_(
            table.c.workspace_id.in_(self.workspaces),
            sa.or_(made_by == self.user_id, table.c.workspace_id.in_(self.own_workspaces)),
        )


async def workspaces_of(session: Session, user_id: UUID) -> Sequence[sa.Row[Any]]:
    """The ids of the workspaces of a user, and whether each has no other member (`is_own`)."""
    other = memberships.alias("other")
    has_other = sa.exists().where(
        other.c.workspace_id == memberships.c.workspace_id,
        other.c.user_id != user_id,
        other.c.removed_at.is_(None),
    )
    statement = sa.select(
        memberships.c.workspace_id.label("id"), sa.not_(has_other).label("is_own")
    ).where(membership_of(user_id))
    return (await session.execute(statement)).all()


async def revoke_service_keys(session: Session, left: LeftBehind, now: datetime) -> int:
    """Revoke service keys; returns the number of those that had not expired."""
    statement = (
        sa.update(api_keys)
        .where(
            left.rows(api_keys, api_keys.c.user_id),
            api_keys.c.kind == KeyKind.SERVICE,
            api_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(api_keys.c.expires_at)
    )
    ends = (await session.execute(statement)).scalars().all()
    return sum(end is None or end > now for end in ends)


async def disable_schedules(session: Session, left: LeftBehind, now: datetime) -> int:
    """Disable schedules, and return their number."""
    wanted = sa.and_(left.rows(schedules, schedules.c.created_by), schedules.c.enabled)
    # In the order in which others lock several schedules.
    await session.execute(
        sa.select(schedules.c.id).where(wanted).order_by(schedules.c.id).with_for_update()
    )
    disabled = await session.execute(
        sa.update(schedules).where(wanted).values(enabled=False, next_run_at=None, updated_at=now)
    )
    return int(disabled.rowcount)


async def delete_invitations(session: Session, left: LeftBehind) -> int:
    """Delete invitations that were not used, and return their number."""
    deleted = await session.execute(
        sa.delete(invitations).where(
            left.rows(invitations, invitations.c.invited_by), invitations.c.used_at.is_(None)
        )
    )
    return int(deleted.rowcount)
