import asyncio
import gc
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.core.settings.model import load
from stepiq.store import migrate
from stepiq.store.connections import sqlite
from stepiq.store.connections.connection import Fetched
from stepiq.store.connections.sqlite import SqliteReader, SqliteWriter, WriteTurns
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
        workspaces.insert().values(
            id=uuid7(), name="w", name_folded="w", plan="free", created_at=clock.now()
        )
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


class TestLongTransactions:
    @pytest.fixture
    async def connection(self, tmp_path: Path):
        connection = SqliteWriter(tmp_path / "file.db", WriteTurns())
        await connection.execute("CREATE TABLE t (x)")
        yield connection
        await connection.close()

    @pytest.fixture
    def set_longest_hold(self, monkeypatch: pytest.MonkeyPatch):
        """Set the time after which a transaction lets other tasks run; -1: before each statement."""

        def set_seconds(seconds: float) -> None:
            monkeypatch.setattr(sqlite, "_LONGEST_HOLD_SECONDS", seconds)

        return set_seconds

    async def turns_during(self, writing: Coroutine[Any, Any, None]) -> int:
        """How often other tasks run during this."""
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(other())
        await writing
        counting.cancel()
        return turns

    async def write(self, connection: SqliteWriter) -> None:
        await connection.begin()
        for number in range(5):
            await connection.execute("INSERT INTO t VALUES (?)", (number,))
        rows = [(number,) for number in range(60)]
        assert await connection.execute_many("INSERT INTO t VALUES (?)", rows) == 60
        await connection.commit()

    async def test_other_tasks_run_between_its_statements_and_rows(
        self, connection: SqliteWriter, set_longest_hold
    ):
        set_longest_hold(-1)

        assert await self.turns_during(self.write(connection)) == 5 + 3

        assert (await connection.execute("SELECT count(*) FROM t")).rows == [(65,)]

    async def test_a_short_one_is_not_interrupted(self, connection: SqliteWriter, set_longest_hold):
        set_longest_hold(inf)

        assert await self.turns_during(self.write(connection)) == 0

    @pytest.mark.parametrize("turns", range(12))
    async def test_one_that_is_cancelled_changes_nothing(
        self, database: Database, set_longest_hold, turns: int
    ):
        set_longest_hold(-1)
        async with database.transaction():
            pass
        done = False

        async def add() -> None:
            nonlocal done
            async with database.transaction() as session:
                for _ in range(3):
                    await _add(session)
            done = True

        writing = asyncio.create_task(add())
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})

        assert done or writing.cancelled()
        assert await _count(database) in ({3} if done else {0, 3})
        await add()


class TestConnection:
    async def test_it_returns_rows_their_names_and_how_many_changed(self, tmp_path: Path):
        connection = SqliteWriter(tmp_path / "file.db", WriteTurns())
        await connection.execute("CREATE TABLE t (x)")
        await connection.execute("INSERT INTO t VALUES (1), (2)")

        fetched = await connection.execute("UPDATE t SET x = x + 1 RETURNING x AS next")

        assert fetched == Fetched(["next"], [(2,), (3,)], 2)
        await connection.close()

    async def test_a_writer_waits_for_one_of_another_process(self, tmp_path: Path):
        path = tmp_path / "file.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode=WAL")
            other.execute("CREATE TABLE t (x)")
            other.execute("BEGIN IMMEDIATE")
            connection = SqliteWriter(path, WriteTurns())

            beginning = asyncio.create_task(connection.begin())
            await asyncio.sleep(0)
            assert not beginning.done()
            other.execute("COMMIT")
            await asyncio.wait_for(beginning, 20)
            await connection.execute("INSERT INTO t VALUES (1)")
            await connection.commit()

            assert other.execute("SELECT x FROM t").fetchall() == [(1,)]
            await connection.close()


class TestWriteTurns:
    def test_they_are_taken_in_the_order_of_asking(self):
        turns = WriteTurns()
        order: list[int] = []
        turns.take()
        threads: list[threading.Thread] = []

        def write(number: int) -> None:
            turns.take()
            order.append(number)
            turns.release()

        for number in range(5):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            while len(turns._waiting) <= number:
                time.sleep(0.001)
        assert not turns.take_now()
        turns.release()
        for thread in threads:
            thread.join(20)

        assert order == [0, 1, 2, 3, 4]
        assert turns.take_now()

    def test_a_transaction_that_never_ends_is_an_error(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MILLISECONDS", 10)
        turns = WriteTurns()
        turns.take()

        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            turns.take()

        turns.release()
        assert turns.take_now()


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[SqliteReader]:
    reader = SqliteReader(tmp_path / "file.db")
    yield reader
    await reader.close()


class TestReader:
    async def test_a_short_statement_needs_no_thread(
        self, reader: SqliteReader, monkeypatch: pytest.MonkeyPatch
    ):
        # On a busy machine, even a short statement can be interrupted for longer than usual.
        monkeypatch.setattr(sqlite, "_INLINE_SECONDS", 60)
        for number in range(200):
            assert (await reader.execute("SELECT ?", (number,))).rows == [(number,)]

        assert not reader._thread._threads

    async def test_other_tasks_run_between_many_short_statements(self, reader: SqliteReader):
        short = ENDLESS.replace("FROM n)", "FROM n WHERE x < 500)")
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(other())
        for _ in range(500):
            await reader.execute(short)
        counting.cancel()

        assert turns > 5

    async def test_a_text_that_is_not_utf_8_is_an_error(self, reader: SqliteReader):
        with pytest.raises(sqlite3.OperationalError, match="UTF-8"):
            await reader.execute("SELECT CAST(x'ff' AS TEXT)")

    async def test_a_long_statement_does_not_hold_the_loop(self, reader: SqliteReader):
        longest, before = 0.0, time.process_time()
        reading = asyncio.create_task(
            reader.execute(ENDLESS.replace("FROM n)", "FROM n WHERE x < 2000000)"))
        )
        gc.disable()  # a collection takes longer than many turns
        try:
            while not reading.done():
                started = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - started)
        finally:
            gc.enable()

        assert (await reading).rows == [(2_000_000,)]
        assert longest < (time.process_time() - before) / 4

    async def test_a_cancelled_caller_interrupts_its_statement(self, reader: SqliteReader):
        reading = asyncio.create_task(reader.execute(ENDLESS))
        await asyncio.sleep(0)
        assert reader._thread._threads

        reading.cancel()
        await asyncio.wait({reading}, timeout=20)

        assert reading.cancelled()
        assert (await reader.execute("SELECT 1")).rows == [(1,)]

    async def test_a_wrong_statement_is_an_error(self, reader: SqliteReader):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await reader.execute("SELECT * FROM missing")


class TestBegin:
    @pytest.mark.parametrize("steps", [1, 2, 3, 4])
    async def test_it_is_not_interrupted_after_it_began(self, tmp_path, monkeypatch, steps):
        monkeypatch.setattr(sqlite, "_STEPS", steps)
        monkeypatch.setattr(sqlite, "_INLINE_SECONDS", -1)
        reader = SqliteReader(tmp_path / "new.db")

        for _ in range(10):
            await reader.begin()
            assert (await reader.execute("SELECT 1")).rows == [(1,)]
            await reader.rollback()
        await reader.close()
