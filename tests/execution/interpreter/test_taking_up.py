"""Runs that are stopped in the middle and taken up again, wherever they were; and cancelled, likewise."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from stepiq.core import clock
from stepiq.language import offload
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.noted_turns import NotedTurns
from tests.support.receiver import Receiver, Reply, running_receiver
from tests.support.stores import on_sqlite

ITEMS = """
name: Items
steps:
  - id: all
    type: parallel
    for_each: "[1, 2, 3, 4, 5, 6]"
    max_concurrency: 2
    steps:
      - {id: call, type: webhook, method: POST, url: "URL/{{item}}"}
      - {id: note, type: transform, template: "{{steps.call.output.body}} {{item}}"}
  - {id: after, type: transform, template: "{{join steps.all.output ', '}}"}
"""

LOOP = """
name: Loop
steps:
  - id: call
    type: webhook
    method: POST
    url: "URL/{{#if steps.call.output}}again{{else}}first{{/if}}"
  - id: many
    type: parallel
    steps:
      - {id: a, type: webhook, method: POST, url: "URL/a"}
      - id: b
        steps:
          - {id: b1, type: webhook, method: POST, url: "URL/b1"}
          - {id: b2, type: transform, set: {n: "steps.many.output == null ? 1 : steps.many.output.b.n + 1"}}
  - id: count
    type: transform
    set: {n: "steps.count.output == null ? 1 : steps.count.output.n + 1"}
    on_condition: [{if: steps.count.output.n < 3, goto: call}]
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


async def interrupt(world: World) -> None:
    """Stop as a crash would, and start again."""
    await world.engine.stop(drain=timedelta(0))
    await world.engine.start()


class TestTakingUp:
    async def test_it_counts_from_the_last_record_how_long_a_run_has_waited_for_its_turn(
        self, world: World, receiver: Receiver
    ):
        receiver.reply_with(Reply(body=b"ok"), Reply(body=b"ok", delay=30), Reply(body=b"ok"))
        _, heard = await world.start(await world.pipeline(ITEMS.replace("URL", receiver.url)))
        await receiver.until(2)
        await world.engine.stop(drain=timedelta(0))
        turns = world.engine._dependencies.turns = NotedTurns()

        clock.jump(timedelta(seconds=40))
        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 60)

        assert 40 <= turns.waited[0] < 80
        assert not any(turns.waited[1:])

    @pytest.mark.parametrize("after", [1, 3, 6, *on_sqlite(2, 5)])
    async def test_items_that_are_recorded_are_not_done_again(
        self, world: World, receiver: Receiver, after: int
    ):
        receiver.reply_with(*[Reply(body=b"ok", delay=0.05)])
        run_id, heard = await world.start(await world.pipeline(ITEMS.replace("URL", receiver.url)))
        await receiver.until(after)

        await world.engine.stop(drain=timedelta(0))
        before = (await world.ended(run_id, heard)).rows
        recorded = {
            f"{run_id}:call:{row.branch}:1"
            for row in before
            if row.step_id == "call" and row.status == "completed"
        }
        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.output == ", ".join(f"ok {n}" for n in range(1, 7))
        keys = [request.headers["idempotency-key"] for request in receiver.received]
        assert set(keys) == {f"{run_id}:call:{n}:1" for n in range(6)}
        assert [keys.count(key) for key in recorded] == [1] * len(recorded)
        assert len(keys) <= 6 + 2  # what was in flight, and no more, is called again

    @pytest.mark.slow
    @pytest.mark.parametrize("after", [1, 4, 9, *on_sqlite(2, 7)])
    async def test_loops_and_branches_go_on_where_they_were(
        self, world: World, receiver: Receiver, after: int
    ):
        receiver.reply_with(*[Reply(body=b"ok", delay=0.03)])
        run_id, heard = await world.start(await world.pipeline(LOOP.replace("URL", receiver.url)))
        await receiver.until(after)

        await interrupt(world)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.output == {"n": 3}
        assert sorted((r.step_id, r.branch, r.iteration) for r in ended.rows) == sorted(
            [(s, "", n) for s in ("call", "many", "count") for n in (1, 2, 3)]
            + [("a", "0", n) for n in (1, 2, 3)]
            + [(s, "1", n) for s in ("b1", "b2") for n in (1, 2, 3)]
        )
        assert {row.status for row in ended.rows} == {"completed"}
        assert [row.output["n"] for row in ended.rows if row.step_id == "b2"] == [1, 2, 3]

    async def test_a_stop_records_a_call_that_has_just_ended(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        may_end, is_next = asyncio.Event(), asyncio.Event()
        receiver.reply_with(Reply(body=b"ok", after=may_end))

        async def wait(*arguments: Any) -> Any:
            is_next.set()
            await asyncio.Event().wait()

        run_id, heard = await world.start(
            await world.pipeline(
                f"""
                name: P
                steps:
                  - {{id: call, type: webhook, method: POST, url: {receiver.url}}}
                  - {{id: next, type: transform, template: "{{{{steps.call.output.status}}}}"}}
                """
            )
        )
        # No timer writes what has ended.
        timers = loop_time.hold(0.1)
        with monkeypatch.context() as patched:
            await receiver.until(1)
            patched.setattr(offload, "render", wait)
            may_end.set()
            await asyncio.wait_for(is_next.wait(), 20)
            await world.engine.stop(drain=timedelta(0))
        timers.stop()
        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.output == "200"
        assert len(receiver.received) == 1

    async def test_an_engine_that_drains_lets_a_branch_end(self, world: World, receiver: Receiver):
        receiver.reply_with(*[Reply(body=b"ok", delay=0.05)])
        _, heard = await world.start(await world.pipeline(ITEMS.replace("URL", receiver.url)))
        await receiver.until(1)

        await world.engine.stop(drain=timedelta(seconds=10))
        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        keys = [request.headers["idempotency-key"] for request in receiver.received]
        assert len(keys) == len(set(keys)) == 6


NESTED = """
name: Nested
input: {schema: {type: object}}
steps:
  - id: p
    type: parallel
    steps:
      - {id: many, type: parallel, for_each: input.numbers, max_concurrency: 50, step: {id: each, type: transform, set: {n: item}}}
  - {id: pause, type: wait, seconds: 3600}
  - {id: after, type: transform, template: done}
"""


class TestCounting:
    @pytest.mark.one_store
    async def test_items_do_not_count_as_steps_of_the_run_when_it_is_taken_up(self, world: World):
        run_id, heard = await world.start(
            await world.pipeline(NESTED),
            {"numbers": list(range(1_100))},
            run_timeout=timedelta(hours=3),
        )
        await asyncio.wait_for(heard.until("run.status", status="waiting"), 60)

        clock.advance(timedelta(seconds=3601))
        await asyncio.wait_for(heard.until_ended(), 60)

        assert (await world.ended(run_id, heard)).run.output == "done"


CANCELLED = {
    "llm": "{id: s, model: openai/gpt-4o, prompt: x}",
    "webhook": "{id: s, type: webhook, url: URL}",
    "code": '{id: s, type: code, language: python, timeout_seconds: 30, source: "def main(i):\\n    while True:\\n        pass"}',
    "javascript": "{id: s, type: code, language: javascript, timeout_seconds: 30, source: 'function main(i) { while (true) {} }'}",
    "wait": "{id: s, type: wait, seconds: 50}",
    "human_review": "{id: s, type: human_review, message: x}",
    "parallel": "{id: p, type: parallel, steps: [{id: s, model: openai/gpt-4o, prompt: x}, {id: t, type: webhook, url: URL}]}",
    "for_each": "{id: p, type: parallel, for_each: '[1, 2, 3]', step: {id: s, type: webhook, url: URL}}",
}
ON_BOTH = ("for_each", "human_review", "llm", "wait")
"""How the others stop does not depend on the store."""


class TestCancel:
    @pytest.mark.slow
    @pytest.mark.parametrize("kind", [*ON_BOTH, *on_sqlite(*sorted(CANCELLED.keys() - ON_BOTH))])
    async def test_it_stops_each_type_of_step_within_a_second(
        self, world: World, fake_provider: RunningFakeProvider, receiver: Receiver, kind: str
    ):
        fake_provider.configure(latency_ms=60_000)
        receiver.reply_with(Reply(delay=60))
        steps = CANCELLED[kind].replace("URL", receiver.url)
        run_id, heard = await world.start(
            await world.pipeline(
                f"name: C\nsteps: [{steps}, {{id: after, type: transform, template: x}}]"
            )
        )
        status = "waiting" if kind in ("wait", "human_review") else "running"
        await asyncio.wait_for(heard.until("step.status", step_id="s", status=status), 10)

        with loop_time.within(1):
            await world.cancel(run_id)
        ended = await world.ended(run_id, heard)
        assert ended.run.status == "cancelled"
        assert ended.steps["s"].status == "cancelled"
        assert "after" not in ended.steps
        assert world.engine._executing == {}
        assert await world.counters() == (0, 0)


ONE_CALL = """
name: One call
timeout_seconds: 3600
steps:
  - {id: call, type: webhook, method: POST, url: "URL/call"}
  - {id: after, type: transform, template: done}
"""

TWO_CALLS = """
name: Two calls
steps:
  - {id: first, type: webhook, method: POST, url: "URL/first"}
  - {id: second, type: webhook, method: POST, url: "URL/second"}
"""

LONG_WAIT = """
name: Long wait
timeout_seconds: 3600
steps:
  - {id: pause, type: wait, seconds: 7200}
"""


class TestClockThatJumps:
    async def test_a_run_in_progress_does_not_run_out_of_time(
        self, world: World, receiver: Receiver
    ):
        has_jumped = asyncio.Event()
        receiver.reply_with(Reply(body=b"ok", after=has_jumped))
        run_id, heard = await world.start(
            await world.pipeline(ONE_CALL.replace("URL", receiver.url))
        )
        await receiver.until(1)

        clock.jump(timedelta(days=2))
        has_jumped.set()
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.status == "completed"

    async def test_a_run_in_progress_gets_no_more_time(self, world: World, receiver: Receiver):
        has_jumped = asyncio.Event()
        receiver.reply_with(
            Reply(body=b"ok", after=has_jumped), Reply(body=b"ok", after=asyncio.Event())
        )
        source = TWO_CALLS.replace("URL", receiver.url)
        run_id, heard = await world.start(
            await world.pipeline(source), run_timeout=timedelta(seconds=20)
        )
        await receiver.until(1)

        clock.jump(timedelta(days=-2))
        has_jumped.set()
        await receiver.until(2)
        loop_time.skip(20)
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.error["code"] == "run_timeout"

    @pytest.mark.both_stores
    async def test_a_run_that_is_taken_over_gets_the_time_back_that_it_had_left_once(
        self, world: World, receiver: Receiver
    ):
        receiver.reply_with(
            Reply(body=b"ok", delay=30), Reply(body=b"ok", delay=30), Reply(body=b"ok")
        )
        run_id, heard = await world.start(
            await world.pipeline(ONE_CALL.replace("URL", receiver.url))
        )
        await receiver.until(1)

        clock.jump(timedelta(days=2))
        await interrupt(world)
        await receiver.until(2)
        clock.jump(timedelta(days=2))
        await interrupt(world)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"
        assert len(receiver.received) == 2

    async def test_a_run_in_the_queue_follows_the_new_time(self, world: World, receiver: Receiver):
        pipeline_id = await world.pipeline(ONE_CALL.replace("URL", receiver.url))
        await world.engine.stop(drain=timedelta(0))
        run_id, heard = await world.start(pipeline_id)

        clock.jump(timedelta(days=2))
        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.error["code"] == "run_timeout"
        assert receiver.received == []

    async def test_a_run_that_waits_for_long_follows_the_new_time(self, world: World):
        run_id, heard = await world.start(await world.pipeline(LONG_WAIT))
        await heard.until("run.status", status="waiting")

        clock.jump(timedelta(days=2))
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.error["code"] == "run_timeout"
