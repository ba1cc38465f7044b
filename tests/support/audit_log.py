"""Reads the audit log."""

from typing import Any

import sqlalchemy as sa

from stepiq.store.database import Database
from stepiq.store.tables import audit_entries


async def recorded(database: Database) -> list[Any]:
    """All entries of the server and of its workspaces, oldest first."""
    async with database.reading() as session:
        found = await session.execute(sa.select(audit_entries).order_by(audit_entries.c.id))
        return list(found.all())
