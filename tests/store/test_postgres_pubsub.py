"""Word that goes from process to process; two `PostgresChanges` stand for two processes."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from structlog.testing import capture_logs

from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.postgres_pubsub import PostgresChanges
from stepiq.store.pubsub import GAP
from tests.support import loop_time

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = %s AND datname = current_database()"
)


@pytest.fixture
async def here(database: Database) -> AsyncIterator[PostgresChanges]:
    changes = PostgresChanges(database)
    await changes.start()
    yield changes
    await changes.stop()


@pytest.fixture
async def there(database: Database) -> AsyncIterator[PostgresChanges]:
    changes = PostgresChanges(database)
    await changes.start()
    yield changes
    await changes.stop()


async def cut(database: Database, purpose: str) -> None:
    """Have the server end the sessions that serve a purpose."""
    async with await database.connect_alone("test") as connection:
        await connection.execute(CUT, (f"stepiq {purpose}",))


class TestStart:
    async def test_a_connection_that_breaks_is_an_outage(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        connect = database.connect_alone

        async def connect_and_lose(purpose: str) -> psycopg.AsyncConnection:
            connection = await connect(purpose)
            connection.pgconn.finish()
            return connection

        monkeypatch.setattr(database, "connect_alone", connect_and_lose)

        with pytest.raises(StoreUnavailable):
            await PostgresChanges(database).start()


class TestPublish:
    async def test_another_process_hears_it_in_order(
        self, here: PostgresChanges, there: PostgresChanges
    ):
        async with there.subscribe("t") as subscription:
            for number in range(900):
                here.publish("t", {"n": number, "text": "ü\n {}"})

            async with asyncio.timeout(10):
                heard = [(await subscription.next()).payload["n"] for _ in range(900)]

        assert heard == list(range(900))

    async def test_this_process_hears_it_at_once_and_once(self, here: PostgresChanges):
        async with here.subscribe("t") as subscription, here.subscribe("end") as end:
            here.publish("t", 1)
            assert (await asyncio.wait_for(subscription.next(), 0.1)).payload == 1

            await self._round_trip(here, end)
            assert subscription._waiting.empty()

    async def _round_trip(self, here: PostgresChanges, end) -> None:
        other = PostgresChanges(here._database)
        await other.start()
        async with other.subscribe("end") as theirs:
            here.publish("end", 1)
            await asyncio.wait_for(theirs.next(), 20)
        other.publish("end", 2)
        async with asyncio.timeout(20):
            while (await end.next()).payload != 2:
                pass
        await other.stop()

    async def test_what_is_too_long_is_to_be_read(
        self, here: PostgresChanges, there: PostgresChanges
    ):
        async with there.subscribe("t") as subscription:
            here.publish("t", "x" * 8_000)

            assert await asyncio.wait_for(subscription.next(), 20) is GAP
            assert subscription.missed

    async def test_the_same_news_many_times_over_is_told_once(
        self, here: PostgresChanges, there: PostgresChanges
    ):
        heard: list[object] = []
        there.call_on("t", heard.append)
        async with there.subscribe("end") as end:
            for _ in range(100):
                here.publish("t", "wake up")
            here.publish("end", None)
            await asyncio.wait_for(end.next(), 20)

        assert heard == ["wake up"]

    async def test_before_the_start_only_this_process_hears(self, database: Database):
        changes = PostgresChanges(database)

        async with changes.subscribe("t") as subscription:
            changes.publish("t", 1)

            assert (await subscription.next()).payload == 1
        assert not changes._waiting


class TestMayHaveMissed:
    async def test_every_listener_of_every_process_learns_of_it(
        self, here: PostgresChanges, there: PostgresChanges
    ):
        forgotten: list[object] = []
        there.call_on("cache", forgotten.append)
        async with here.subscribe("a") as ours, there.subscribe("b") as theirs:
            here.may_have_missed()

            for subscription in (ours, theirs):
                assert await asyncio.wait_for(subscription.next(), 20) is GAP
        assert forgotten == [None]

    async def test_a_listener_whose_connection_was_cut_learns_of_it_and_goes_on(
        self,
        database: Database,
        here: PostgresChanges,
        there: PostgresChanges,
    ):
        loop_time.quicken(0.5)
        async with there.subscribe("t") as subscription:
            await cut(database, "changes")
            assert await asyncio.wait_for(subscription.next(), 20) is GAP

            here.publish("t", 1)

            async with asyncio.timeout(20):
                while (await subscription.next()).payload != 1:
                    pass

    async def test_an_outage_is_logged_once(
        self, database: Database, here: PostgresChanges, monkeypatch: pytest.MonkeyPatch
    ):
        loop_time.quicken(0.5)
        attempts = asyncio.Queue[str]()

        async def refuse(purpose: str) -> psycopg.AsyncConnection:
            attempts.put_nowait(purpose)
            raise OSError(purpose)

        async with await database.connect_alone("test") as connection:
            monkeypatch.setattr(database, "connect_alone", refuse)
            with capture_logs() as logs:
                await connection.execute(CUT, ("stepiq changes",))
                for _ in range(3):
                    assert await asyncio.wait_for(attempts.get(), 20) == "changes"

        assert [line["event"] for line in logs] == ["changes_not_received"]

    async def test_what_could_not_be_told_is_told_as_missed(
        self,
        database: Database,
        here: PostgresChanges,
        there: PostgresChanges,
    ):
        loop_time.quicken(0.5)
        async with there.subscribe("t") as subscription:
            here.publish("t", 1)
            await asyncio.wait_for(subscription.next(), 20)
            await cut(database, "notify")

            here.publish("t", 2)

            assert await asyncio.wait_for(subscription.next(), 20) is GAP

    async def test_so_is_what_piles_up_while_nobody_can_be_told(
        self,
        here: PostgresChanges,
        there: PostgresChanges,
    ):
        async with there.subscribe("t") as subscription:
            for number in range(10_001):
                here.publish("t", number)

            assert await asyncio.wait_for(subscription.next(), 20) is GAP


class TestStop:
    async def test_last_words_are_said(self, database: Database, there: PostgresChanges):
        loop_time.hold(1)
        changes = PostgresChanges(database)
        await changes.start()
        async with there.subscribe("t") as subscription:
            changes.publish("t", "goodbye")
            await changes.stop()

            assert (await asyncio.wait_for(subscription.next(), 20)).payload == "goodbye"
