"""Queries of workspaces, and of what a member has created in one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.queries import keys, members
from stepiq.core import clock
from stepiq.store.database import Session
from stepiq.store.states import PipelineStatus, Role
from stepiq.store.tables import (
    api_keys,
    identities,
    identity_roles,
    invitations,
    pipeline_versions,
    pipelines,
    recipients,
    schedules,
    sessions,
    users,
    workspaces,
)
from stepiq.store.types import fold

Row = sa.Row[Any]

_MOST = 1_000
"""How many keys, schedules and pipelines of a member are listed at most."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a member has created in a workspace."""

    api_keys: Sequence[Row]
    schedules: Sequence[Row]
    pipelines: Sequence[Row]


async def creations(session: Session, user_id: UUID) -> list[datetime]:
    """The times at which a user created workspaces lately, in milliseconds, the oldest first. Locks the user's row."""
    statement = (
        sa.select(users.c.workspaces_created)
        .where(users.c.id == user_id)
        .with_for_update(key_share=True)
    )
    return [clock.parse(text) for text in await session.scalar(statement) or ()]


async def set_creations(session: Session, user_id: UUID, times: Sequence[datetime]) -> None:
    """Replace these times."""
    await session.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(workspaces_created=[clock.iso(at) for at in times])
    )


async def rename(session: Session, workspace_id: UUID, name: str) -> None:
    """Change the name of a workspace."""
    await session.execute(
        sa.update(workspaces)
        .where(workspaces.c.id == workspace_id)
        .values(name=name, name_folded=fold(name))
    )


async def named(
    session: Session, workspace_id: UUID | None, name: str | None, *, limit: int
) -> Sequence[Row]:
    """Workspaces with this id, or with this name, or all, the oldest first. Workspaces that are being erased are left out."""
    statement = (
        sa.select(workspaces.c.id, workspaces.c.name)
        .where(workspaces.c.deleted_at.is_(None))
        .order_by(workspaces.c.id)
    )
    if workspace_id is not None:
        statement = statement.where(workspaces.c.id == workspace_id)
    if name is not None:
        statement = statement.where(workspaces.c.name == name)
    return (await session.execute(statement.limit(limit))).all()


async def holdings(session: Session, workspace_id: UUID, user_id: UUID) -> Holdings:
    """The personal keys of a member, the enabled schedules the member created, and the pipelines last saved by the member."""
    own = keys.Belonging(workspace_id, user_id)
    scheduled = (
        sa.select(schedules.c.id, schedules.c.name)
        .where(
            schedules.c.workspace_id == workspace_id,
            schedules.c.created_by == user_id,
            schedules.c.enabled,
        )
        .order_by(schedules.c.id)
        .limit(_MOST)
    )
    saved = (
        sa.select(pipelines.c.id, pipelines.c.name)
        .join(
            pipeline_versions,
            sa.and_(
                pipeline_versions.c.pipeline_id == pipelines.c.id,
                pipeline_versions.c.version == pipelines.c.version,
            ),
        )
        .where(
            pipelines.c.workspace_id == workspace_id,
            pipelines.c.status != PipelineStatus.ARCHIVED,
            pipelines.c.is_unsaved.is_(False),
            pipeline_versions.c.created_by == user_id,
        )
        .order_by(pipelines.c.id)
        .limit(_MOST)
    )
    return Holdings(
        await keys.page(session, own, before=None, limit=_MOST),
        (await session.execute(scheduled)).all(),
        (await session.execute(saved)).all(),
    )


async def email(session: Session, user_id: UUID) -> str:
    """The address of a user."""
    return await session.scalar(sa.select(users.c.email).where(users.c.id == user_id))


async def forget_recipient(session: Session, workspace_id: UUID, email: str) -> None:
    """Withdraw the consent of an address to emails of a workspace."""
    await session.execute(
        sa.update(recipients)
        .where(recipients.c.workspace_id == workspace_id, recipients.c.email == email)
        .values(confirmed_at=None)
    )


async def delete_invitations(
    session: Session, workspace_id: UUID, user_id: UUID, email: str
) -> None:
    """Delete the open invitations that a member has created, and those of the member's address."""
    await session.execute(
        sa.delete(invitations).where(
            invitations.c.workspace_id == workspace_id,
            invitations.c.used_at.is_(None),
            sa.or_(invitations.c.invited_by == user_id, invitations.c.email == email),
        )
    )


async def delete_invitations_by(
    session: Session, workspace_id: UUID, user_id: UUID, roles: Collection[Role]
) -> None:
    """Delete the open invitations with these roles that a member has created."""
    await session.execute(
        sa.delete(invitations).where(
            invitations.c.workspace_id == workspace_id,
            invitations.c.used_at.is_(None),
            invitations.c.invited_by == user_id,
            invitations.c.role.in_(roles),
        )
    )


async def forget_identity_roles(session: Session, workspace_id: UUID, user_id: UUID) -> None:
    """Forget that identities gave a user a membership. A later one by an invitation does not come from them."""
    own = sa.select(identities.c.id).where(identities.c.user_id == user_id)
    await session.execute(
        sa.delete(identity_roles).where(
            identity_roles.c.workspace_id == workspace_id, identity_roles.c.identity_id.in_(own)
        )
    )


async def name(session: Session, workspace_id: UUID) -> str:
    """The name of a workspace, which nobody can join or rename until the transaction ends."""
    statement = sa.select(workspaces.c.name).where(workspaces.c.id == workspace_id)
    return (await session.execute(statement.with_for_update())).scalar_one()


async def close_workspaces(session: Session, left: Sequence[UUID], now: datetime) -> int:
    """End what still lets people into workspaces without members: API keys and invitations. Returns the number of keys."""
    revoked = await session.execute(
        sa.update(api_keys)
        .where(api_keys.c.workspace_id.in_(left), api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(api_keys.c.id)
    )
    await session.execute(sa.delete(invitations).where(invitations.c.workspace_id.in_(left)))
    return len(revoked.all())


async def mark_erased(session: Session, left: Sequence[UUID], now: datetime) -> None:
    """Mark workspaces without members, so that their data is erased. Those that are marked do not change."""
    await session.execute(
        sa.update(workspaces)
        .where(workspaces.c.id.in_(left), workspaces.c.deleted_at.is_(None))
        .values(deleted_at=now)
    )
    # Sessions of people who were members when they logged in, and now are members elsewhere, do not end.
    elsewhere = members.first_workspace(sessions.c.user_id, sessions)
    await session.execute(
        sa.update(sessions)
        .where(sessions.c.workspace_id.in_(left), elsewhere.is_not(None))
        .values(workspace_id=elsewhere)
    )
