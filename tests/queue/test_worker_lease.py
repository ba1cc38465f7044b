"""Who is there, and who is gone."""

import asyncio
import math

import psycopg
import pytest

from stepiq.core.settings.model import Settings
from stepiq.queue import worker_lease
from stepiq.queue.worker_lease import Presence, SessionPresence, WorkerRunning, presence_of
from stepiq.store.database import Database, StoreUnavailable
from tests.support import loop_time
from tests.support.silent_proxy import proxied
from tests.support.workers import cut_lease, restored_late

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def absent(database: Database, asking: Presence, *executors: str) -> set[str]:
    async with database.reading() as session:
        return await asking.absent(session, executors)


async def until_absent(database: Database, asking: Presence, other: Presence, seconds: float):
    async with asyncio.timeout(seconds):
        while not await absent(database, asking, other.executor_id):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


class TestFile:
    @only_sqlite
    async def test_a_second_worker_is_refused_and_told_who_is_there(self, database: Database):
        first = presence_of(database)
        await first.acquire()

        with pytest.raises(WorkerRunning, match="Stop it first"):
            await presence_of(database).acquire()

        await first.release()

    @only_sqlite
    async def test_after_the_first_has_gone_a_second_may_come(self, database: Database):
        first, second = presence_of(database), presence_of(database)
        await first.acquire()
        await first.release()

        await second.acquire()

        await second.release()

    @only_sqlite
    async def test_everybody_else_is_gone(self, database: Database):
        here = presence_of(database)

        assert await absent(database, here, here.executor_id, "worker-1") == {"worker-1"}


class TestSession:
    @only_postgresql
    async def test_two_workers_see_each_other(self, database: Database):
        first, second = presence_of(database), presence_of(database)
        await first.acquire()
        await second.acquire()

        assert await absent(database, first, second.executor_id, "worker-0", "stepiq") == {
            "worker-0",
            "stepiq",
        }
        assert await absent(database, second, first.executor_id) == set()

        await first.release()
        await second.release()

    @only_postgresql
    async def test_one_that_was_released_is_gone(self, database: Database):
        first, second = presence_of(database), presence_of(database)
        await first.acquire()

        await first.release()

        await until_absent(database, second, first, 5)

    @only_postgresql
    async def test_one_that_gives_no_sign_of_life_is_gone(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(worker_lease, "LEASE_SECONDS", 1)
        loop_time.hold(1)
        loop_time.hold(0.5)
        first, second = presence_of(database), presence_of(database)
        await first.acquire()

        await until_absent(database, second, first, 10)

        await first.release()

    @only_postgresql
    async def test_one_whose_session_was_cut_comes_back_under_its_name(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        loop_time.quicken(1)
        first, second = SessionPresence(database, 1), presence_of(database)
        await first.acquire()

        may_return = restored_late(first, monkeypatch)
        await cut_lease(database, first)
        await until_absent(database, second, first, 30)

        may_return.set()
        async with asyncio.timeout(30):
            while await absent(database, second, first.executor_id):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        await first.release()

    @only_postgresql
    async def test_a_loss_is_noticed_at_once_and_its_end_is_remembered(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        loop_time.hold(1)
        lease = SessionPresence(database, 1)
        await lease.acquire()
        assert lease.restored_at == -math.inf

        may_return = restored_late(lease, monkeypatch)
        await cut_lease(database, lease)
        async with asyncio.timeout(30):
            while lease.restored_at != math.inf:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        before = asyncio.get_running_loop().time()
        may_return.set()
        async with asyncio.timeout(30):
            while lease.restored_at == math.inf:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

        assert before <= lease.restored_at <= asyncio.get_running_loop().time()
        await lease.release()

    @only_postgresql
    async def test_a_silent_network_is_noticed(self, settings: Settings):
        async with proxied(settings.database_url) as (proxy, url):
            database = Database(settings.model_copy(update={"database_url": url}))
            lease = SessionPresence(database, 1)
            await lease.acquire()
            begun = asyncio.get_running_loop().time()

            proxy.silence()
            async with asyncio.timeout(60):
                while lease.restored_at != math.inf:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)

            # Within five seconds on an idle machine. Without a time limit, it would wait until the network is back.
            assert asyncio.get_running_loop().time() - begun < 20
            await lease.release()
            await database.close()

    @only_postgresql
    async def test_a_lock_that_cannot_be_had_leaves_no_connection_behind(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        opened: list[psycopg.AsyncConnection] = []
        connect_alone = database.connect_alone

        async def broken(purpose: str) -> psycopg.AsyncConnection:
            opened.append(connection := await connect_alone(purpose))
            await connection.close()
            return connection

        monkeypatch.setattr(database, "connect_alone", broken)

        with pytest.raises(StoreUnavailable):
            await presence_of(database).acquire()

        assert opened[0].closed

    async def test_releasing_who_never_came_does_nothing(self, database: Database):
        await presence_of(database).release()
