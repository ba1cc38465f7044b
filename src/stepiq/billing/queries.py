"""What billing reads and writes."""

from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.tables import workspaces


async def plan_name(session: Session, workspace_id: UUID) -> str:
    """Name of the workspace's plan."""
    return str(
        await session.scalar(sa.select(workspaces.c.plan).where(workspaces.c.id == workspace_id))
    )
