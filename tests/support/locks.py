"""Transactions that wait for each other."""

import sqlalchemy as sa

from stepiq.store.database import Database

_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def until_one_waits(database: Database) -> None:
    """Wait until a PostgreSQL transaction waits for another. Returns immediately on SQLite, which has one at a time."""
    await until_waiting(database, 1)


async def until_waiting(database: Database, number: int) -> None:
    """As `until_one_waits`, for a number of transactions."""
    while not database.is_sqlite:
        async with database.reading() as session:
            if await session.scalar(_WAITING) >= number:
                return
