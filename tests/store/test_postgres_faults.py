"""A PostgreSQL server whose disk is full."""

import pytest
import sqlalchemy as sa

from stepiq.store.database import Database
from stepiq.store.faults import StoreFull

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

# The error of a server that cannot extend a file.
FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"


async def fill(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(sa.text(FULL))


async def test_a_write_is_refused(database: Database):
    with pytest.raises(StoreFull, match="The disk of the database is full"):
        await fill(database)


async def test_readiness_then_tries_to_write(database: Database, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(StoreFull):
        await fill(database)

    with monkeypatch.context() as patch:
        patch.setattr("stepiq.store.database._WRITE_NOTHING", sa.text(FULL))
        with pytest.raises(StoreFull):
            await database.ping()
    await database.ping()
