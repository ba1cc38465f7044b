"""Transactions that wait for each other."""

import sqlalchemy as sa

from stepiq.store.database import Database

_WAITS = sa.text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def until_one_waits(database: Database) -> None:
    """Wait until a PostgreSQL transaction waits for another. Returns immediately on SQLite, which has one at a time."""
    while not database.is_sqlite:
        async with database.reading() as session:
            if await session.scalar(_WAITS):
                return
