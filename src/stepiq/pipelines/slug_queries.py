"""Queries of slugs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.states import PipelineStatus
from stepiq.store.tables import pipelines


async def taken(session: Session, workspace_id: UUID, wanted: Sequence[str]) -> set[str]:
    """The given slugs that pipelines of the workspace already use."""
    rows = await session.execute(
        sa.select(pipelines.c.slug).where(
            pipelines.c.workspace_id == workspace_id, pipelines.c.slug.in_(wanted)
        )
    )
    return set(rows.scalars())


async def find(session: Session, workspace_id: UUID, slug: str) -> UUID | None:
    """The id of the saved pipeline of the workspace with a slug, archived or not."""
    return (await session.execute(find_statement(workspace_id, slug))).scalar_one_or_none()


async def status_of(session: Session, workspace_id: UUID, slug: str) -> PipelineStatus | None:
    """The stored status of the pipeline of the workspace with a slug."""
    statement = find_statement(workspace_id, slug).with_only_columns(pipelines.c.status)
    status = (await session.execute(statement)).scalar_one_or_none()
    return None if status is None else PipelineStatus(status)


def find_statement(workspace_id: UUID, slug: str) -> sa.Select[Any]:
    """Find the id of the saved pipeline of the workspace with a slug."""
    return sa.select(pipelines.c.id).where(
        pipelines.c.workspace_id == workspace_id,
        pipelines.c.slug == slug,
        pipelines.c.is_unsaved.is_(False),
    )
