import asyncio

import pytest
import sqlalchemy as sa

from stepiq.store.connections import postgresql
from stepiq.store.connections import waiting as answer_time
from stepiq.store.database import Database, StoreUnavailable
from tests.support import loop_time
from tests.support.locks import until_none_waits
from tests.support.silent_proxy import proxied

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def silent(settings, database_url):
    """A proxy and a database behind it, whose answers are waited for half a second."""
    async with proxied(database_url) as (proxy, url):
        database = Database(settings.model_copy(update={"database_url": url}))
        yield proxy, database
        await database.close()


async def ask(database, patience=0.3):
    async with database.transaction(patience) as session:
        return await session.scalar(sa.text("SELECT 1"))


async def ask_in_silence(proxy, database, *, patience, sent=None):
    """Ask once more in a transaction that had an answer, with nobody there any more."""
    async with database.transaction(patience) as session:
        await session.scalar(sa.text("SELECT 1"))
        proxy.silence()
        if sent is not None:
            sent.set()
        await session.scalar(sa.text("SELECT 2"))


class TestSilence:
    async def test_a_statement_that_nobody_answers_is_an_outage(self, silent):
        with pytest.raises(StoreUnavailable):
            await ask_in_silence(*silent, patience=0.3)

    async def test_so_is_a_commit(self, silent):
        proxy, database = silent

        async def work():
            async with database.transaction(0.3) as session:
                await session.scalar(sa.text("SELECT 1"))
                proxy.silence()

        with pytest.raises(StoreUnavailable):
            await work()

    async def test_so_is_a_connection_from_before_the_silence(self, silent):
        proxy, database = silent
        await ask(database, 30)
        proxy.silence()

        with pytest.raises(StoreUnavailable):
            await ask(database)

    async def test_so_is_a_connection_that_does_not_come_about(self, silent):
        proxy, database = silent
        proxy.silence()

        with pytest.raises(StoreUnavailable):
            await ask(database)

    async def test_so_is_a_place_in_the_queue_for_one(self, silent, monkeypatch):
        proxy, database = silent
        await ask(database, 30)
        proxy.silence()

        asked = await asyncio.gather(*(ask(database) for _ in range(45)), return_exceptions=True)

        assert {type(error) for error in asked} == {StoreUnavailable}

    async def test_when_it_is_over_the_next_one_is_answered(self, silent):
        proxy, database = silent
        await ask(database, 30)
        proxy.silence()
        with pytest.raises(StoreUnavailable):
            await ask(database)

        proxy.speak()

        assert await ask(database, 60) == 1

    async def test_who_is_cancelled_waits_for_no_word(self, silent):
        sent = asyncio.Event()
        task = asyncio.create_task(ask_in_silence(*silent, patience=60, sent=sent))
        await sent.wait()
        await asyncio.sleep(0.01)
        task.cancel()

        done, _ = await asyncio.wait({task}, timeout=20)
        assert done
        assert task.cancelled()
        # The driver would ask the server to cancel the statement, on a connection of its own.
        assert silent[0].accepted == 1


class TestOpener:
    async def test_a_pool_opens_two_connections_at_once(self, silent):
        proxy, database = silent
        proxy.silence()
        opening = [asyncio.create_task(ask(database, 60)) for _ in range(10)]
        async with asyncio.timeout(30):
            while proxy.accepted < 2:  # noqa: ASYNC110 - the proxy signals nothing
                await asyncio.sleep(0.01)
        waiting = [asyncio.create_task(ask(database)) for _ in range(5)]

        asked = await asyncio.gather(*waiting, return_exceptions=True)

        assert {type(error) for error in asked} == {StoreUnavailable}
        assert proxy.accepted == 2
        for each in opening:
            each.cancel()
        await asyncio.gather(*opening, return_exceptions=True)

    async def test_failed_attempts_do_not_prevent_later_ones(self, silent):
        proxy, database = silent
        proxy.silence()
        await asyncio.gather(*(ask(database) for _ in range(10)), return_exceptions=True)
        proxy.speak()

        assert await asyncio.gather(*(ask(database, 30) for _ in range(15))) == [1] * 15

    async def test_a_connection_that_waited_too_long_is_not_opened(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ):
        begun: list[object] = []

        async def connect(*_: object, **__: object) -> None:
            begun.append(asyncio.current_task())
            await asyncio.Event().wait()

        monkeypatch.setattr(postgresql.PostgresConnection, "connect", connect)
        monkeypatch.setattr(postgresql, "wait_seconds", lambda left: left / 1000)
        opener = postgresql.Opener(database_url)

        with postgresql.answering_within(60):
            opening = [asyncio.create_task(opener.open()) for _ in range(2)]
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                with pytest.raises(postgresql.NoAnswer):
                    await opener.open()

        assert begun == opening
        for each in opening:
            each.cancel()
        await asyncio.gather(*opening, return_exceptions=True)

    async def test_an_attempt_has_a_time_limit_whatever_the_driver_does(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ):
        async def connect(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(postgresql.PostgresConnection, "connect", connect)
        loop_time.quicken(postgresql.CONNECT_SECONDS)
        opener = postgresql.Opener(database_url)

        for _ in range(3):
            with pytest.raises(postgresql.NoAnswer):
                await opener.open()


class TestAnswered:
    async def test_a_deadlock_is_told_from_silence(self, database):
        async with database.transaction() as session:
            await session.execute(sa.text("CREATE TABLE pairs (id int PRIMARY KEY, n int)"))
            await session.execute(sa.text("INSERT INTO pairs VALUES (1, 0), (2, 0)"))
        both = asyncio.Barrier(2)

        async def swap(first, second):
            add = sa.text("UPDATE pairs SET n = n + 1 WHERE id = :id")
            async with database.transaction(30) as session:
                await session.execute(add, {"id": first})
                await both.wait()
                await session.execute(add, {"id": second})

        results = await asyncio.gather(swap(1, 2), swap(2, 1), return_exceptions=True)

        (failed,) = [result for result in results if result is not None]
        assert isinstance(failed, StoreUnavailable)
        assert failed.was_answered

    async def test_silence_is_no_answer(self, silent):
        proxy, database = silent
        await ask(database, 30)
        proxy.silence()

        with pytest.raises(StoreUnavailable) as caught:
            await ask(database)

        assert not caught.value.was_answered


class TestPatience:
    async def test_it_bounds_one_transaction_and_not_the_next(self, silent):
        _, database = silent
        with pytest.raises(StoreUnavailable):
            async with database.transaction(0.2) as session:
                await session.execute(sa.text("SELECT pg_sleep(1)"))

        async with database.transaction(10) as session:
            await session.execute(sa.text("SELECT pg_sleep(0.4)"))

    async def test_the_server_ends_a_statement_that_has_no_more_time(self, database):
        lock = sa.text("SELECT pg_advisory_xact_lock(1)")

        async with database.transaction(90) as session:
            await session.execute(lock)
            with pytest.raises(StoreUnavailable):
                async with database.transaction(0.5) as other:
                    await other.execute(lock)

            await asyncio.wait_for(until_none_waits(database), 60)


class TestTimeOfARequest:
    async def test_all_its_transactions_share_one_limit(self, silent):
        proxy, database = silent
        await ask(database, 30)
        with answer_time.answering() as request:
            async with database.reading() as session:
                await session.execute(sa.text("SELECT pg_sleep(0.2)"))
            left = request.left
            request.spend(left - 0.1)
            proxy.silence()
            with pytest.raises(StoreUnavailable):
                await ask_for_two_rows(database)

            assert 0 < left <= answer_time.ANSWER_SECONDS - 0.2
            assert request.left == 0.5


async def ask_for_two_rows(database):
    async with database.reading() as session:
        await session.execute(sa.text("SELECT 2"))
