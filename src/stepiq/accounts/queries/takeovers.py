"""Queries that end what an account has made before its address was verified."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements.workspaces import membership_of
from stepiq.store.states import KeyKind
from stepiq.store.tables import api_keys, invitations, memberships, schedules


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
