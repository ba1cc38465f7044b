"""A PostgreSQL server whose disk is full, or that has become read-only."""

import asyncio

import pytest
import sqlalchemy as sa

from stepiq.store.connections.faults import StoreFull, StoreUnavailable
from stepiq.store.database import Database

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

# The error of a server that cannot extend a file.
RAISE = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END"


async def fill(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(sa.text(f"DO $$ {RAISE} $$"))


async def test_a_write_is_refused(database: Database):
    with pytest.raises(StoreFull, match="The disk of the database is full"):
        await fill(database)


async def execute(database: Database, *statements: str) -> None:
    async with database.transaction() as session:
        for each in statements:
            await session.execute(sa.text(each))


async def test_readiness_then_tries_to_write(database: Database):
    with pytest.raises(StoreFull):
        await fill(database)

    await execute(
        database,
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ {RAISE} $f$",
        "CREATE TRIGGER full_disk BEFORE UPDATE ON alembic_version EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(StoreFull):
        await database.ping()
    await execute(database, "DROP FUNCTION refuse CASCADE")
    await database.ping()


async def make_read_only(database: Database) -> None:
    """Make the connections of the pool refuse writes, as those to the former primary after a failover."""

    async def change() -> None:
        async with database.transaction() as session:
            await session.execute(sa.text("SET default_transaction_read_only = on"))
            await both.wait()

    both = asyncio.Barrier(2)
    await asyncio.gather(change(), change())


async def write(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(sa.text("CREATE TABLE written (id int)"))


class TestReadOnly:
    async def test_a_write_is_an_outage_in_which_nothing_was_saved(self, database: Database):
        await make_read_only(database)

        with pytest.raises(StoreUnavailable) as caught:
            await write(database)

        assert caught.value.was_answered

    async def test_later_writes_use_new_connections(self, database: Database):
        await make_read_only(database)
        with pytest.raises(StoreUnavailable):
            await write(database)

        await asyncio.gather(*(database.ping() for _ in range(3)))
        await write(database)

    async def test_readiness_reports_it_and_drops_the_connection(self, database: Database):
        await make_read_only(database)

        with pytest.raises(StoreUnavailable):
            await database.ping()

        await database.ping()
        await write(database)
