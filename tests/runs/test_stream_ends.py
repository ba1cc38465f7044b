"""What a stream still sends after its credential has ended, to clients that read and to those that do not."""

import asyncio
from dataclasses import replace

import pytest

from stepiq.accounts.authentication import expiry
from stepiq.accounts.authentication.expiry import FINISH_SECONDS, INTERVAL_SECONDS, ExpiryWatch
from stepiq.execution.records import events
from stepiq.runs import queries
from stepiq.runs.records import Filter
from stepiq.runs.streams.listeners import StreamEvent
from stepiq.runs.streams.lists import ListFollower
from stepiq.runs.streams.runs import Follower
from tests.support import loop_time
from tests.support.cuts import lost
from tests.support.make_accounts import actor, revoke_key
from tests.support.readers import reading
from tests.support.sse import received
from tests.support.streams import ObservedStreams

__all__ = ["lost"]

SMALL_BUFFER = 4_096


@pytest.fixture
async def run_id(run_id, teller):
    """A run that goes on after its first event."""
    await teller.log(run_id, 1)
    return run_id


class TestWhatWaits:
    """Frames that are not made when the credential ends are not made later."""

    @pytest.fixture
    def follower(self, database, streams, account, run_id):
        return Follower(database, streams, caller=actor(account), run_id=run_id, last_seq=0)

    @pytest.fixture
    def listener(self, streams, run_id):
        """The only one. Call it when it listens."""

        def listener():
            (only,) = streams._channels[run_id].listeners
            return only

        return listener

    @pytest.fixture
    async def missing(self, follower, listener, run_id, teller):
        """The frames of `follower`, which has missed the third event."""
        frames = follower.frames()
        await anext(frames)
        await teller.log(run_id, 1)
        await anext(frames)
        lost = events.step_log(events.execution("greet", "", 1), "info", "lost")
        await teller.record_only(run_id, 3, lost)
        listener().miss()
        return frames

    async def test_missed_events_are_not_read_from_the_log(self, follower, missing):
        follower.end()

        assert await received(missing) == []

    async def test_events_that_have_arrived_are_not_sent(self, follower, listener):
        frames = follower.frames()
        await anext(frames)
        waiting = asyncio.create_task(received(frames))
        await asyncio.sleep(0)
        listener().offer(StreamEvent.of("step.log", 2, {}))

        follower.end()

        assert await waiting == []

    async def test_a_server_that_stops_sends_events_that_have_arrived(
        self, follower, listener, streams
    ):
        frames = follower.frames()
        await anext(frames)
        waiting = asyncio.create_task(received(frames))
        await asyncio.sleep(0)
        listener().offer(StreamEvent.of("step.log", 2, {}))

        streams.close()

        assert [event.seq for event in await waiting] == [2]

    async def test_events_that_are_being_read_are_not_sent(self, follower, monkeypatch):
        read = queries.events

        async def ending(*asked):
            follower.end()
            return await read(*asked)

        monkeypatch.setattr(queries, "events", ending)

        assert await received(follower.frames()) == []

    async def test_a_server_that_stops_sends_missed_events(self, streams, missing):
        streams.close()

        assert [event.seq for event in await received(missing)] == [3]

    async def test_a_stream_that_ends_before_it_begins_sends_nothing(
        self, follower, database, streams, changes, account
    ):
        of_list = ListFollower(database, streams, changes, caller=actor(account), wanted=Filter())
        for each in (follower, of_list):
            each.end()

            async with asyncio.timeout(60):
                assert await received(each.frames()) == []


class TestSlowReaders:
    @pytest.fixture
    def watch(self, app, database):
        """A watch that checks when a test says so."""
        watch = ExpiryWatch(database, interval_seconds=3_600)
        app.state.doors = replace(app.state.doors, watch=watch)
        return watch

    @pytest.fixture
    def open_streams(self, app, changes):
        app.state.streams = ObservedStreams(changes)
        return app.state.streams

    @pytest.fixture
    async def reader(
        self, server, open_streams, watch, lost, run_id, account, make, database, teller
    ):
        """A client that has read the first of many events. Its key is revoked."""
        long = events.step_log(events.execution("greet", "", 1), "info", "x" * 100_000)
        for _ in range(20):
            await teller.event(run_id, long)
        key = await make.api_key(account)
        path, headers = f"/api/runs/{run_id}/stream", {"X-API-Key": key.text}
        async with reading(server, path, headers, buffer=SMALL_BUFFER) as reader:
            await reader.take_until(1)
            async with database.transaction() as session:
                await revoke_key(session, account, key.id)
            yield reader

    async def test_one_that_reads_the_rest_in_time_can_use_its_connection_again(
        self, open_streams, account, watch, reader, monkeypatch
    ):
        monkeypatch.setattr(expiry, "FINISH_SECONDS", 60)
        await watch.check()
        while not reader.raw.endswith(b"\r\n0\r\n\r\n"):
            assert await reader.take()
        await open_streams.only(0, account.workspace_id)

        loop_time.skip(60)
        await reader.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")

        assert [event.seq for event in reader.events] == list(range(1, 22))
        assert (await reader.take()).startswith(b"HTTP/1.1 200 OK")

    async def test_another_is_cut(self, reader, watch, lost):
        await watch.check()
        assert lost.empty()

        loop_time.skip(FINISH_SECONDS)

        async with asyncio.timeout(60):
            await lost.get()
        with pytest.raises(ConnectionResetError):
            await reader.take_all()

    def test_a_check_and_this_time_are_less_than_five_seconds(self):
        assert INTERVAL_SECONDS + FINISH_SECONDS < 5
