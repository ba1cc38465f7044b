"""How events of runs are handed to those who listen."""

import asyncio
import gc
from contextlib import AsyncExitStack

import pytest

from stepiq.core import clock, ids
from stepiq.execution.records import events
from stepiq.runs.errors import TooManyStreams
from stepiq.runs.streams import listeners
from stepiq.runs.streams.listeners import Listener, StreamEvent, Streams
from stepiq.store.pubsub import LocalChanges, run_topic


def told(seq, size=0):
    return StreamEvent.of("step.log", seq, {"message": "x" * size})


class TestTold:
    @pytest.mark.parametrize(
        "text", ["\n\ndata: 1\n\n", "\r\rid: 5\r", "\u2028\u2029\x85", "\x0b\x0c"]
    )
    def test_no_text_ends_a_line(self, text):
        frame = StreamEvent.of("step.log", 1, {"message": text}).frame

        assert [line.partition(b":")[0] for line in frame.split(b"\n")] == [
            b"event",
            b"data",
            b"id",
            b"",
            b"",
        ]
        assert b"\r" not in frame


class TestListener:
    async def test_it_takes_all_that_has_come_at_once(self):
        listener = Listener()
        listener.offer(told(1))
        listener.offer(told(2))

        assert [each.seq for each in await listener.take()] == [1, 2]
        listener.close()

    async def test_it_waits_for_what_comes(self):
        listener = Listener()
        taking = asyncio.create_task(listener.take())
        await asyncio.sleep(0)
        assert not taking.done()

        listener.offer(told(1))

        assert [each.seq for each in await taking] == [1]
        listener.close()

    @pytest.mark.parametrize(
        ("number", "size"),
        [(listeners.MAX_WAITING + 1, 0), (3, listeners.MAX_WAITING_BYTES // 2)],
    )
    async def test_whoever_falls_far_behind_forgets_what_waits(self, number, size):
        listener = Listener()
        for seq in range(number):
            listener.offer(told(seq, size))

        assert listener.has_missed
        assert await listener.take() == []
        listener.close()

    async def test_and_hears_again_once_it_catches_up(self):
        listener = Listener()
        listener.miss()
        listener.offer(told(1))
        listener.catch_up()
        listener.offer(told(2))

        assert not listener.has_missed
        assert [each.seq for each in await listener.take()] == [2]
        listener.close()

    async def test_one_large_event_is_no_backlog(self):
        listener = Listener()
        listener.offer(told(1, listeners.MAX_WAITING_BYTES + 1))

        assert [each.seq for each in await listener.take()] == [1]
        listener.close()

    async def test_the_end_comes_behind_what_waits(self):
        listener = Listener()
        listener.offer(told(1))
        listener.close()

        assert [each.seq for each in await listener.take()] == [1]
        assert listener.is_closed
        assert await listener.take() == []


@pytest.fixture
def changes():
    return LocalChanges()


@pytest.fixture
def streams(changes):
    return Streams(changes)


@pytest.fixture
def publish(changes):
    def publish(run_id, seq=1):
        event = events.step_log(events.execution("greet", "", 1), "info", "hello")
        changes.publish(run_topic(run_id), events.payload(run_id, event, seq, clock.now()))

    return publish


class TestListening:
    async def test_an_event_is_drawn_once_for_all(self, streams, publish):
        run_id = ids.uuid7()
        async with AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(streams.listening(run_id)) for _ in range(250)]
            publish(run_id)

            heard = [await listener.take() for listener in crowd]

        (first,) = heard[0]
        assert all(events == [first] and events[0] is first for events in heard)

    async def test_others_have_turns_while_many_are_told(self, streams, publish):
        run_id = ids.uuid7()
        async with AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(streams.listening(run_id)) for _ in range(250)]
            publish(run_id)
            told_at_once = 0
            while told_at_once < len(crowd):
                before = told_at_once
                await asyncio.sleep(0)
                told_at_once = sum(bool(listener._heard) for listener in crowd)

                assert told_at_once - before <= 100

    async def test_each_hears_its_own_run(self, streams, publish):
        one, other = ids.uuid7(), ids.uuid7()
        async with streams.listening(one) as first, streams.listening(other) as second:
            publish(one, 1)
            publish(other, 2)

            assert [told.seq for told in await first.take()] == [1]
            assert [told.seq for told in await second.take()] == [2]

    async def test_what_the_channel_missed_everyone_has_missed(self, streams, publish):
        run_id = ids.uuid7()
        async with streams.listening(run_id) as listener:
            # The channel has no turn meanwhile.
            for seq in range(1_100):
                publish(run_id, seq)
            await listener.take()

            assert listener.has_missed

    @pytest.mark.slow
    async def test_listeners_who_have_left_leave_nothing(self, streams, changes, publish):
        run_ids = [ids.uuid7() for _ in range(200)]
        async with AsyncExitStack() as stack:
            for run_id in run_ids * 5:
                await stack.enter_async_context(streams.listening(run_id))
            for run_id in run_ids:
                publish(run_id)
            await asyncio.sleep(0)
            assert len(changes._listeners) == len(streams._channels) == len(run_ids)

        # What survives a full collection is frozen, and then not among the objects below.
        gc.unfreeze()
        gc.collect()
        gc.unfreeze()
        assert not changes._listeners
        assert not streams._channels
        assert not [each for each in gc.get_objects() if isinstance(each, Listener | StreamEvent)]

    async def test_one_who_leaves_does_not_end_the_others(self, streams, publish):
        run_id = ids.uuid7()
        async with streams.listening(run_id) as staying:
            async with streams.listening(run_id):
                pass
            publish(run_id)

            assert [told.seq for told in await staying.take()] == [1]

    async def test_word_that_cannot_be_heard_ends_streams_and_not_the_next(
        self, streams, changes, publish
    ):
        run_id = ids.uuid7()
        async with streams.listening(run_id) as listener:
            changes.publish(
                run_topic(run_id), {"type": "step.log", "seq": 1, "data": {"x": object()}}
            )

            assert await listener.take() == []
            assert listener.is_closed

            async with streams.listening(run_id) as next_one:
                publish(run_id)
                assert [told.seq for told in await next_one.take()] == [1]
        assert not changes._listeners


class TestCounting:
    def test_a_workspace_may_have_fifty_and_others_are_not_concerned(self, streams):
        crowded, quiet = ids.uuid7(), ids.uuid7()
        for _ in range(50):
            streams.enter(crowded)

        with pytest.raises(TooManyStreams, match="Your workspace has 50 open streams"):
            streams.enter(crowded)
        streams.enter(quiet)

    def test_one_that_has_ended_makes_room(self, streams):
        workspace_id = ids.uuid7()
        for _ in range(50):
            streams.enter(workspace_id)
        streams.leave(workspace_id)

        streams.enter(workspace_id)

        assert streams.count(workspace_id) == 50

    def test_twenty_workspaces_leave_places_for_those_without_a_stream(self, streams):
        crowded = [ids.uuid7() for _ in range(20)]
        for workspace_id in crowded * 40:
            streams.enter(workspace_id)

        with pytest.raises(TooManyStreams) as refused:
            streams.enter(crowded[0])

        assert refused.value.facts["limit"] == 800
        assert refused.value.message == (
            "This server has 800 open streams. Its other places are for workspaces without a stream."
            " Close a stream of your workspace, or poll GET /api/runs/ID instead."
        )
        for _ in range(200):
            streams.enter(ids.uuid7())

    def test_the_process_has_a_limit_too(self, streams):
        for _ in range(1_000):
            streams.enter(ids.uuid7())

        with pytest.raises(
            TooManyStreams, match=r"This server has 1,000 open streams, which is the maximum\."
        ):
            streams.enter(ids.uuid7())
