"""Transactions that wait for each other."""

import sqlalchemy as sa

from stepiq.store.database import Database

WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
"""The number of transactions that wait. Within one transaction, PostgreSQL always shows the same."""


async def until_one_waits(database: Database) -> None:
    """Wait until a PostgreSQL transaction waits for another. Returns immediately on SQLite, which has one at a time."""
    await until_waiting(database, 1)


async def until_waiting(database: Database, number: int) -> None:
    """As `until_one_waits`, for a number of transactions."""
    while not database.is_sqlite:
        async with database.reading() as session:
            if await session.scalar(WAITING) >= number:
                return


async def until_none_waits(database: Database) -> None:
    """Wait until no PostgreSQL transaction waits for another."""
    while True:
        async with database.reading() as session:
            if await session.scalar(WAITING) == 0:
                return
