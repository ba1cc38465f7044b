import asyncio
from datetime import timedelta
from typing import Any

import pytest

from stepiq.core import ids
from stepiq.execution.records import events
from stepiq.language.definitions.loading import compile_document
from stepiq.runs import queries
from stepiq.runs.errors import TooManyStreams
from stepiq.runs.streams import listeners, waiting
from stepiq.runs.streams.waiting import Waited, until_ended
from stepiq.store.pubsub import run_topic
from stepiq.store.states import RunStatus

pytestmark = pytest.mark.both_stores


async def connected() -> Any:
    """A caller who stays."""
    await asyncio.Event().wait()


@pytest.fixture
def wait(database, streams, account, run_id):
    async def wait(receive=connected, longest=timedelta(seconds=20)) -> None:
        waited = Waited(account.workspace_id, run_id, longest)
        async with asyncio.timeout(10):
            await until_ended(waited, database, streams, receive=receive)

    return wait


@pytest.fixture
def heard(monkeypatch):
    """Set when somebody has begun to listen and has asked the store."""
    heard = asyncio.Event()
    progress = queries.progress

    async def observed(*arguments):
        found = await progress(*arguments)
        heard.set()
        return found

    monkeypatch.setattr(queries, "progress", observed)
    return heard


class TestUntilEnded:
    async def test_it_counts_as_a_stream_and_counts_itself_out(
        self, wait, heard, streams, changes, account, teller, run_id
    ):
        waits = asyncio.create_task(wait())
        await heard.wait()
        assert streams.count(account.workspace_id) == 1

        await teller.end(run_id)
        await waits

        assert streams.count(account.workspace_id) == 0
        assert changes._listeners == {}

    async def test_there_is_no_more_room_than_for_streams(
        self, wait, streams, account, monkeypatch
    ):
        monkeypatch.setattr(listeners, "MAX_STREAMS_PER_WORKSPACE", 1)
        streams.enter(account.workspace_id)

        with pytest.raises(TooManyStreams):
            await wait()

        assert streams.count(account.workspace_id) == 1

    @pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELLED])
    async def test_the_final_event_ends_it(self, wait, heard, teller, run_id, status):
        waits = asyncio.create_task(wait())
        await heard.wait()
        await teller.event(run_id, events.run_status(RunStatus.PENDING))
        await teller.log(run_id, 2)
        teller.delta(run_id, "text")
        assert not waits.done()

        await teller.end(run_id, status)

        await waits

    async def test_a_run_that_has_ended_is_not_waited_for(self, wait, teller, run_id):
        await teller.end(run_id)

        await wait()

    async def test_nor_one_that_is_gone(self, database, streams, account):
        waited = Waited(account.workspace_id, ids.uuid7(), timedelta(seconds=20))

        async with asyncio.timeout(10):
            await until_ended(waited, database, streams, receive=connected)

    async def test_time_ends_it(self, wait, streams, account):
        await wait(longest=timedelta(milliseconds=20))

        assert streams.count(account.workspace_id) == 0

    async def test_a_caller_who_hangs_up_ends_it(self, wait):
        messages = [{"type": "http.disconnect"}, {"type": "http.request"}]

        async def receive():
            return messages.pop()

        await wait(receive)

    async def test_a_stopping_server_ends_it(self, wait, heard, streams):
        waits = asyncio.create_task(wait())
        await heard.wait()

        streams.close()

        await waits
        await wait()

    async def test_whoever_missed_something_asks_the_store(
        self, wait, heard, changes, run_id, clock, teller
    ):
        event = events.step_log(events.execution("greet", "", 1), "info", "line")

        def tell_much():
            for seq in range(1_100):
                told = events.payload(run_id, event, seq, clock.now())
                changes.publish(run_topic(run_id), told)

        waits = asyncio.create_task(wait())
        await heard.wait()
        tell_much()
        await teller.log(run_id, 1)
        assert not waits.done()

        await teller.record_only(run_id, 9, events.run_status(RunStatus.CANCELLED))
        await teller.set(run_id, status=RunStatus.CANCELLED, completed_at=clock.now())
        tell_much()

        await waits


class TestSeconds:
    def test_what_the_caller_asks_counts_first(self):
        document = {"name": "x", "steps": [{"id": "a", "prompt": "x"}]}
        plain = compile_document(document)
        awaited = compile_document({**document, "output": {"deliver": [{"type": "api"}]}})

        assert [waiting.seconds(5, each) for each in (plain, awaited, None)] == [5, 5, 5]
        assert [waiting.seconds(0, each) for each in (plain, awaited, None)] == [0, 0, 0]
        assert [waiting.seconds(None, each) for each in (plain, awaited, None)] == [0, 30, 0]
