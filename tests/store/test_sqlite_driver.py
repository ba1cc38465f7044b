import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.core.settings import load
from stepiq.store import migrate, sqlite_driver
from stepiq.store.database import Database, Session
from stepiq.store.tables import workspaces


@pytest.fixture
async def database(tmp_path: Path):
    database = Database(load(data_dir=tmp_path))
    migrate.upgrade(database.url)
    yield database
    await database.close()


async def _add(session: Session) -> None:
    await session.execute(
        workspaces.insert().values(id=uuid7(), name="w", plan="free", created_at=clock.now())
    )


async def _count(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(workspaces))


class TestTransactions:
    async def test_what_is_committed_is_there_for_readers(self, database: Database):
        async with database.transaction() as session:
            await _add(session)

        assert await _count(database) == 1

    async def test_what_is_rolled_back_is_not(self, database: Database):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the transaction is what is left
            async with database.transaction() as session:
                await _add(session)
                raise ZeroDivisionError

        assert await _count(database) == 0

    async def test_writers_wait_for_each_other(self, database: Database):
        async def add_if_few() -> None:
            async with database.transaction() as session:
                found = await session.scalar(sa.select(sa.func.count()).select_from(workspaces))
                await asyncio.sleep(0)
                if found < 5:
                    await _add(session)

        await asyncio.gather(*(add_if_few() for _ in range(20)))

        assert await _count(database) == 5

    @pytest.mark.parametrize("turns", range(12))
    async def test_a_cancelled_writer_leaves_the_connection_fit_for_the_next(
        self, database: Database, turns: int
    ):
        async def add() -> None:
            async with database.transaction() as session:
                await _add(session)

        await add()
        writing = asyncio.create_task(add())
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})
        before = await _count(database)

        await add()

        assert await _count(database) == before + 1


class TestConnection:
    async def test_it_gives_rows_and_their_description(self, tmp_path: Path):
        connection = await sqlite_driver.connect(tmp_path / "file.db")

        async with connection.cursor() as cursor:
            await cursor.execute("SELECT 1 AS one")

            assert cursor.description[0][0] == "one"
            assert cursor.arraysize == 1
            assert await cursor.fetchall() == [(1,)]
        await connection.close()

    async def test_it_knows_the_last_row(self, tmp_path: Path):
        connection = await sqlite_driver.connect(tmp_path / "file.db")
        cursor = connection.cursor()
        await cursor.execute("CREATE TABLE t (x)")
        await cursor.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        await cursor.execute("INSERT INTO t VALUES (3)")

        assert (cursor.lastrowid, cursor.rowcount) == (3, 1)
        await cursor.close()
        await connection.close()
