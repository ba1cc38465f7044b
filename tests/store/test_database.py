import asyncio
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.exc import IntegrityError

from stepiq.core import clock, ids
from stepiq.core.concurrency.fairness import act_for
from stepiq.queue.tickets import TicketQueue
from stepiq.store.connections import engines, postgresql, sqlite
from stepiq.store.connections.faults import UnsafeStore
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.pubsub import LocalChanges
from stepiq.store.tables import memberships, workspaces
from tests.support.query_plans import executions

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SAFE = {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}
DURABLE = SAFE | {"synchronous": 2}


async def _add(session: Session, plan: str = "free") -> None:
    row = {
        "id": ids.uuid7(),
        "name": "w",
        "name_folded": "w",
        "plan": plan,
        "created_at": clock.now(),
    }
    await session.execute(workspaces.insert().values(row))


async def _added(database: Database) -> None:
    async with database.transaction() as session:
        await _add(session)


async def _count(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(workspaces))


class TestTransaction:
    async def test_its_end_commits(self, database: Database):
        async with database.transaction() as session:
            await _add(session)

        assert await _count(database) == 1

    async def test_an_exception_rolls_back_and_passes_through(self, database: Database):
        async def write_and_break() -> None:
            async with database.transaction() as session:
                await _add(session)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write_and_break()

        assert await _count(database) == 0

    async def test_a_cancelled_task_rolls_back_and_leaves_a_usable_connection(
        self, database: Database
    ):
        written = asyncio.Event()

        async def write_and_wait() -> None:
            async with database.transaction() as session:
                await _add(session)
                written.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(write_and_wait())
        await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with database.transaction() as session:
            await _add(session)
        assert await _count(database) == 1

    async def test_a_broken_rule_of_the_schema_is_not_an_outage(self, database: Database):
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await session.execute(
                    memberships.insert().values(
                        workspace_id=ids.uuid7(), user_id=ids.uuid7(), role="owner"
                    )
                )

    async def test_an_error_does_not_repeat_what_the_statement_carried(self, database: Database):
        row = {
            "name": "hunter2",
            "name_folded": "hunter2",
            "plan": "free",
            "created_at": clock.now(),
        }

        async def write() -> None:
            async with database.transaction() as session:
                for _ in range(2):
                    await session.execute(workspaces.insert().values(id=UUID(int=1), **row))

        with pytest.raises(IntegrityError) as caught:
            await write()

        assert "INSERT INTO workspaces" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    async def test_nobody_sees_what_is_not_committed(self, database: Database):
        async with database.transaction() as session:
            await _add(session)

            assert await _count(database) == 0

    @only_sqlite
    async def test_writers_take_turns_so_none_reads_what_another_is_changing(
        self, database: Database
    ):
        async with database.transaction() as session:
            await _add(session, plan="0")

        async def add_one() -> None:
            async with database.transaction() as session:
                number = int(await session.scalar(sa.select(workspaces.c.plan)))
                await asyncio.sleep(0)
                await session.execute(workspaces.update().values(plan=str(number + 1)))

        await asyncio.gather(*[add_one() for _ in range(10)])

        async with database.reading() as session:
            assert await session.scalar(sa.select(workspaces.c.plan)) == "10"


class TestAfterCommit:
    async def test_actions_run_once_in_order_when_all_is_durable(self, database: Database):
        ran: list[str] = []

        async with database.transaction() as session:
            session.after_commit(lambda: ran.append("first"))
            session.after_commit(lambda: ran.append("second"))
            assert ran == []

        session.committed()
        assert ran == ["first", "second"]

    async def test_none_runs_after_a_rollback(self, database: Database):
        ran: list[str] = []

        async def ask_and_break() -> None:
            async with database.transaction() as session:
                session.after_commit(lambda: ran.append("never"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await ask_and_break()

        assert ran == []


class TestInsert:
    async def test_what_is_there_already_can_be_left_as_it_is(self, database: Database):
        row = {"id": ids.uuid7(), "name": "w", "name_folded": "w", "plan": "free"}
        row |= {"created_at": clock.now()}
        async with database.transaction() as session:
            statement = session.insert(workspaces).values(row).on_conflict_do_nothing()
            adding = statement.returning(workspaces.c.id)
            added = [await session.scalar(adding) for _ in range(2)]

        assert added == [row["id"], None]
        assert await _count(database) == 1


class TestLostConnection:
    @only_postgresql
    @pytest.mark.parametrize("goes_on", [True, False], ids=["in_mid_transaction", "at_its_commit"])
    async def test_it_is_an_outage_and_nothing_is_kept(self, database: Database, goes_on: bool):
        ran: list[str] = []

        async def write() -> None:
            async with database.transaction() as session:
                await _add(session)
                session.after_commit(lambda: ran.append("never"))
                await _hang_up(database, session)
                if goes_on:
                    await _add(session)

        with pytest.raises(StoreUnavailable):
            await write()

        assert ran == []
        assert await _count(database) == 0

    @only_postgresql
    @pytest.mark.parametrize("idle_seconds", [60.0, 0.0], ids=["idle", "recently used"])
    async def test_unused_connections_that_were_cut_are_replaced_unnoticed(
        self, database: Database, idle_seconds: float, monkeypatch: pytest.MonkeyPatch
    ):
        async with database.transaction() as one, database.transaction() as another:
            pids = [await s.scalar(sa.select(sa.func.pg_backend_pid())) for s in (one, another)]
        engine = engines.create(database.url)
        with engine.begin() as connection:
            for pid in pids:
                connection.execute(sa.select(sa.func.pg_terminate_backend(pid, 5_000)))
        engine.dispose()
        _pass(idle_seconds, monkeypatch)
        await database.ping()
        async with database.transaction() as session:
            await _add(session)

    @only_postgresql
    @pytest.mark.parametrize(("idle_seconds", "checks"), [(60.0, 2), (0.0, 0)])
    async def test_a_connection_is_checked_with_a_statement_only_after_it_was_idle(
        self, database: Database, idle_seconds: float, checks: int, monkeypatch: pytest.MonkeyPatch
    ):
        await database.ping()
        _pass(idle_seconds, monkeypatch)
        with executions() as statements:
            for _ in range(2):
                await database.ping()

        assert statements.count("SELECT 1") == checks

    async def test_a_server_that_is_not_there_is_an_outage(self, settings):
        nowhere = "postgresql://postgres:hunter2hunter2@127.0.0.1:1/x"
        database = Database(settings.model_copy(update={"database_url": nowhere}))

        with pytest.raises(StoreUnavailable) as caught:
            await database.ping()

        assert "hunter2" not in str(caught.value)
        await database.close()


class TestWrongStatement:
    @pytest.mark.parametrize("opened", ["transaction", "reading"])
    async def test_it_is_no_outage(self, database: Database, opened: str):
        async def ask() -> None:
            async with getattr(database, opened)() as session:
                await session.execute(sa.text("SELECT * FROM there_is_no_such_table"))

        with pytest.raises(exc.DBAPIError, match="there_is_no_such_table"):
            await ask()


async def _until_ended(database: Database, pid: int) -> None:
    there = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    async with asyncio.timeout(10), database.reading() as other:
        while (await other.execute(there, {"pid": pid})).scalar():
            await other.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
            await asyncio.sleep(0.01)


async def _hang_up(database: Database, session: Session) -> None:
    pid = await session.scalar(sa.select(sa.func.pg_backend_pid()))
    async with database.transaction() as other:
        await other.execute(sa.select(sa.func.pg_terminate_backend(pid, 5_000)))


@only_sqlite
class TestSqlite:
    async def test_every_connection_of_the_store_is_safe(self, database: Database):
        # Its own flushes replace those of SQLite.
        writes = SAFE | {"synchronous": 1, "wal_autocheckpoint": 0}
        for opened, wanted in ((database.transaction, writes), (database.reading, DURABLE)):
            async with opened() as one, database.reading() as another:
                assert await _pragmas(one, wanted) == wanted
                assert await _pragmas(another, DURABLE) == DURABLE

    async def test_reading_waits_for_no_writer(self, database: Database):
        async with database.transaction() as session:
            await _add(session)

            async with asyncio.timeout(5):
                assert await _count(database) == 0

    async def test_code_that_always_writes_lets_others_write(self, database: Database):
        written, has_begun = 0, asyncio.Event()

        async def always() -> None:
            nonlocal written
            while True:
                async with database.transaction() as session:
                    await _add(session)
                written += 1
                has_begun.set()

        writing = asyncio.create_task(always())
        await has_begun.wait()

        async with asyncio.timeout(20):
            for _ in range(5):
                before = written
                async with database.transaction() as session:
                    await _add(session)
                assert written <= before + 2
        writing.cancel()
        await asyncio.wait({writing})

    @pytest.mark.parametrize("is_writing", [True, False])
    async def test_workspaces_take_turns(self, database: Database, is_writing: bool):
        opened = database.transaction if is_writing else database.reading
        order: list[str] = []

        async def use(owner: str) -> None:
            act_for(owner)
            async with opened() as session:
                order.append(owner)
                await session.execute(sa.select(1))
                await asyncio.sleep(0.001)

        tasks = [asyncio.create_task(use("many")) for _ in range(50)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(use("one")))
        await asyncio.gather(*tasks)

        assert order.index("one") < 10

    async def test_the_queue_can_write_although_others_always_do(self, database: Database):
        engine = TicketQueue(database, LocalChanges())._make_engine()
        statement = sa.text("UPDATE alembic_version SET version_num = version_num")

        def write() -> None:
            for _ in range(20):
                with engine.begin() as connection:
                    connection.execute(statement)

        async def always() -> None:
            while True:
                async with database.transaction() as session:
                    await session.execute(statement)

        writing = [asyncio.create_task(always()) for _ in range(3)]
        async with asyncio.timeout(20):
            await asyncio.to_thread(write)
        for each in writing:
            each.cancel()
        await asyncio.wait(writing)
        engine.dispose()
        assert database.write_turns.take_now()

    async def test_a_block_without_a_writer_delays_transactions(self, database: Database):
        async with database.without_writer():
            writing = asyncio.create_task(_added(database))
            for _ in range(20):
                await asyncio.sleep(0)

            assert database.write_turns.take_now()
            database.write_turns.release()
            assert not writing.done()
        await writing

    def test_reading_the_queue_waits_for_no_writer(self, database: Database):
        engine = TicketQueue(database, LocalChanges())._make_engine()
        database.write_turns.take()

        with engine.begin() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM workspaces")).scalar() == 0

        engine.dispose()

    def test_migrations_are_as_durable(self, database: Database):
        engine = engines.create(database.url)
        with engine.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in DURABLE
            }
        engine.dispose()

        assert found == DURABLE

    def test_so_are_the_queues_connections(self, database: Database):
        engine = TicketQueue(database, LocalChanges())._make_engine()
        with engine.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in DURABLE
            }
        engine.dispose()

        assert found == DURABLE

    def test_a_store_that_cannot_be_durable_is_refused(self, database: Database):
        with (
            closing(sqlite3.connect(":memory:")) as connection,
            pytest.raises(UnsafeStore, match="journal_mode=memory"),
        ):
            sqlite.set_pragmas(connection, sqlite.PRAGMAS)


async def _pragmas(session: Session, names: Iterable[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in names:
        found[name] = await session.scalar(sa.text(f"PRAGMA {name}"))
    return found


class TestIdleInTransaction:
    @only_postgresql
    async def test_the_server_ends_one_of_a_process_that_was_stopped_in_it(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.undo()  # `patience` sets another limit
        async with database.reading() as session:
            limit = await session.scalar(sa.text("SHOW idle_in_transaction_session_timeout"))

        assert limit == "3s"

    @only_postgresql
    @pytest.mark.parametrize("goes_on", [True, False], ids=["in_mid_transaction", "at_its_commit"])
    async def test_for_that_process_it_is_an_outage_when_it_wakes(
        self, database: Database, goes_on: bool
    ):
        async def write() -> None:
            async with database.transaction() as session:
                await _add(session)
                pid = await session.scalar(sa.select(sa.func.pg_backend_pid()))
                await session.execute(sa.text("SET idle_in_transaction_session_timeout = 1"))
                await _until_ended(database, pid)
                if goes_on:
                    await _add(session)

        with pytest.raises(StoreUnavailable):
            await write()

        assert await _count(database) == 0

    async def test_it_is_one_before_the_driver_has_seen_it_closed(self, database: Database):
        ended = psycopg.errors.IdleInTransactionSessionTimeout("terminating connection")

        async def write() -> None:
            async with database.transaction() as session:
                await _add(session)
                raise exc.InternalError(None, None, ended) from ended

        with pytest.raises(StoreUnavailable):
            await write()

        assert await _count(database) == 0


class TestConnectAlone:
    @only_postgresql
    async def test_a_database_that_is_not_there_is_unavailable(self, database: Database):
        database.url = database.url.set(port=1)

        with pytest.raises(StoreUnavailable):
            await database.connect_alone("test")


@only_postgresql
class TestPreparePostgres:
    @pytest.mark.parametrize(
        ("default", "found"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
    )
    async def test_commits_are_waited_for_whatever_the_default(
        self, database: Database, settings, default: str, found: str
    ):
        async with database.transaction() as session:
            name = database.url.database
            await session.execute(
                sa.text(f'ALTER DATABASE "{name}" SET synchronous_commit = {default}')
            )
        other = Database(settings)

        try:
            async with other.reading() as session:
                assert await session.scalar(sa.text("SHOW synchronous_commit")) == found
        finally:
            await other.close()
        engine = engines.create(database.url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == found
        engine.dispose()

    @pytest.mark.parametrize(("may_idle", "found"), [(True, "0"), (False, "3s")])
    def test_a_migration_may_be_silent_for_long(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, may_idle: bool, found: str
    ):
        monkeypatch.undo()  # `patience` sets another limit
        engine = engines.create(database.url, may_idle=may_idle)
        with engine.connect() as connection:
            limit = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout")
            assert limit.scalar_one() == found
        engine.dispose()


def _pass(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the clock that tells for how long connections were not used."""
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)
    monkeypatch.setattr(postgresql, "time", later)
