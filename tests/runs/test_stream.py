import asyncio
import random
from contextlib import aclosing

import pytest
import sqlalchemy as sa
from fastapi.sse import KEEPALIVE_COMMENT

from stepiq.core import clock
from stepiq.execution.records import events
from stepiq.runs import queries
from stepiq.runs.streams import listeners
from stepiq.store.database import StoreUnavailable
from stepiq.store.pubsub import run_topic
from stepiq.store.states import RunStatus, StepStatus
from stepiq.store.tables import runs
from tests.support import loop_time
from tests.support.sse import parse, received


async def next_event(frames):
    return parse((await anext(frames)).decode())[0]


class TestFollower:
    async def test_a_finished_run_tells_its_whole_log_and_ends(self, follow, teller, run_id):
        await teller.log(run_id, 3)
        await teller.end(run_id)

        told = await received(follow(run_id))

        assert [event.seq for event in told] == [1, 2, 3, 4]
        assert [event.type for event in told] == ["step.log"] * 3 + ["run.status"]
        assert told[0].data["run_id"] == str(run_id)
        assert told[0].data["seq"] == 1
        assert told[0].data["message"] == "line 0"
        assert told[-1].data["status"] == "cancelled"

    async def test_it_goes_on_behind_the_event_that_has_arrived(self, follow, teller, run_id):
        await teller.log(run_id, 3)
        await teller.end(run_id)

        told = await received(follow(run_id, last_seq=2))

        assert [event.seq for event in told] == [3, 4]

    @pytest.mark.both_stores
    async def test_with_nothing_left_to_tell_it_ends_at_once(self, follow, teller, run_id):
        await teller.end(run_id)

        assert await received(follow(run_id, last_seq=1)) == []

    async def test_a_log_of_several_batches_is_told_whole(self, follow, teller, run_id):
        await teller.log(run_id, 450)
        await teller.end(run_id)

        told = await received(follow(run_id))

        assert [event.seq for event in told] == list(range(1, 452))

    @pytest.mark.both_stores
    async def test_after_the_log_it_tells_what_comes(self, follow, teller, run_id):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            first = await next_event(frames)
            waiting = asyncio.create_task(next_event(frames))
            await teller.log(run_id, 1)
            second = await waiting
            await teller.end(run_id)

            rest = await received(frames)

        assert [first.seq, second.seq, *(event.seq for event in rest)] == [1, 2, 3]

    async def test_events_told_while_the_log_is_read_come_once(self, follow, teller, run_id):
        await teller.log(run_id, 2)
        async with aclosing(follow(run_id)) as frames:
            first = parse((await anext(frames)).decode())
            # Heard by the listener, and not in what was read of the log.
            await teller.log(run_id, 2)
            await teller.end(run_id)
            rest = await received(frames)

        assert [event.seq for event in [*first, *rest]] == [1, 2, 3, 4, 5]

    @pytest.mark.both_stores
    async def test_no_interleaving_leaves_a_gap_or_a_repeat(self, follow, teller, account, make):
        pipeline_id = await make.pipeline(account)
        for seed in range(8):
            turn = random.Random(seed)  # noqa: S311 — not for secrets
            run_id = await make.run(account, pipeline_id)

            async def tell(run_id=run_id, turn=turn):
                for _ in range(12):
                    await teller.log(run_id, 1)
                    teller.delta(run_id, "x")
                    for _ in range(turn.randrange(4)):
                        await asyncio.sleep(0)
                await teller.end(run_id)

            telling = asyncio.create_task(tell())
            listeners = [received(follow(run_id, last_seq=0)) for _ in range(3)]
            for told in await asyncio.gather(*listeners):
                numbered = [event.seq for event in told if event.seq is not None]
                assert numbered == list(range(1, 14))
            await telling

    async def test_whoever_falls_far_behind_reads_the_log_again(self, follow, teller, run_id):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            await teller.log(run_id, 1)
            for _ in range(1_100):
                teller.delta(run_id, "x")
            await teller.end(run_id)
            rest = await received(frames)

        assert [event.seq for event in rest if event.seq] == [2, 3]

    async def test_word_that_was_lost_is_read_from_the_log(self, follow, teller, run_id):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            await teller.record_only(
                run_id, 2, events.step_log(events.execution("greet", "", 1), "info", "lost")
            )
            await teller.end(run_id)
            rest = await received(frames)

        assert [event.seq for event in rest] == [2, 3]
        assert rest[0].data["message"] == "lost"

    @pytest.mark.both_stores
    async def test_it_waits_for_a_store_that_is_away(self, follow, teller, run_id, monkeypatch):
        loop_time.quicken(1)
        await teller.log(run_id, 1)
        await teller.end(run_id)
        progress, answers = queries.progress, iter([False, False, True])

        async def away_at_first(*asked):
            if not next(answers):
                raise StoreUnavailable("away")
            return await progress(*asked)

        monkeypatch.setattr(queries, "progress", away_at_first)
        async with aclosing(follow(run_id)) as frames:
            heard = [(await anext(frames)) for _ in range(2)]
            rest = await received(frames)

        assert heard == [KEEPALIVE_COMMENT] * 2
        assert [event.seq for event in rest] == [1, 2]

    @pytest.mark.both_stores
    async def test_a_server_that_stops_waits_for_no_store(
        self, follow, streams, run_id, monkeypatch
    ):
        async def away(*_asked):
            raise StoreUnavailable("away")

        loop_time.quicken(1)
        monkeypatch.setattr(queries, "progress", away)
        async with aclosing(follow(run_id)) as frames:
            assert await anext(frames) == KEEPALIVE_COMMENT
            streams.close()

            assert await received(frames) == []

    async def test_text_as_it_comes_has_no_number(self, follow, teller, run_id):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            teller.delta(run_id, "Hel")
            heard = await next_event(frames)

        assert (heard.type, heard.id, heard.data["text"]) == ("step.delta", None, "Hel")
        assert "seq" not in heard.data

    async def test_text_of_a_step_that_the_log_calls_done_is_not_told(self, follow, teller, run_id):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            await teller.event(
                run_id, events.step_status(StepStatus.COMPLETED, events.execution("greet", "", 1))
            )
            teller.delta(run_id, "late")
            teller.delta(run_id, "other", step_id="next")
            await teller.end(run_id)
            rest = await received(frames)

        assert [event.data.get("text") for event in rest] == [None, "other", None]

    @pytest.mark.parametrize(
        "text",
        [
            "\n\nevent: run.status\ndata: {}\nid: 99\n\n",
            "\r\rdata: 1\r\r",
            "\u2028\u2029\x85",
            "\\",
        ],
    )
    async def test_content_cannot_make_frames(self, follow, teller, run_id, text):
        await teller.event(run_id, events.step_log(events.execution("greet", "", 1), "info", text))
        async with aclosing(follow(run_id)) as frames:
            recorded = parse((await anext(frames)).decode())
            teller.delta(run_id, text)
            passing = parse((await anext(frames)).decode())

        assert [event.data["message"] for event in recorded] == [text]
        assert [event.data["text"] for event in passing] == [text]

    async def test_a_silent_run_gets_a_comment_now_and_then(
        self, follow, teller, run_id, monkeypatch
    ):
        monkeypatch.setattr(listeners, "KEEPALIVE_SECONDS", 0.01)
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)

            assert (await anext(frames)).startswith(b":")

    async def test_a_run_that_is_silent_for_long_is_looked_up(
        self, follow, teller, run_id, clock, monkeypatch
    ):
        monkeypatch.setattr(listeners, "KEEPALIVE_SECONDS", 0.01)
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            # Who recorded it died before telling of it.
            await teller.record_only(run_id, 2, events.run_status(RunStatus.CANCELLED))
            await teller.set(run_id, status=RunStatus.CANCELLED, completed_at=clock.now())

            assert [event.seq for event in await received(frames)] == [2]

    async def test_what_may_have_been_missed_is_read_from_the_log(
        self, follow, teller, run_id, changes
    ):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            await teller.record_only(
                run_id, 2, events.step_log(events.execution("greet", "", 1), "info", "lost")
            )
            changes.may_have_missed()

            assert (await next_event(frames)).seq == 2

    async def test_a_run_that_is_deleted_meanwhile_ends_the_stream(
        self, follow, teller, run_id, database, changes
    ):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            async with database.transaction() as session:
                await session.execute(sa.delete(runs).where(runs.c.id == run_id))
            event = events.run_status(RunStatus.RUNNING)
            changes.publish(run_topic(run_id), events.payload(run_id, event, 9, clock.now()))

            assert await received(frames) == []

    async def test_closing_ends_open_streams_and_those_to_come(
        self, follow, teller, run_id, streams
    ):
        await teller.log(run_id, 1)
        async with aclosing(follow(run_id)) as frames:
            await next_event(frames)
            streams.close()

            assert await received(frames) == []
        assert [event.seq for event in await received(follow(run_id))] == [1]

    async def test_it_forgets_its_subscription_when_it_is_closed(
        self, follow, teller, run_id, changes
    ):
        await teller.log(run_id, 1)
        frames = follow(run_id)
        await next_event(frames)
        assert changes._listeners

        await frames.aclose()

        assert not changes._listeners
