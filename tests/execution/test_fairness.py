"""Many runs or branches of one workspace do not hold up another."""

import asyncio
from datetime import timedelta

import pytest

from stepiq.execution.runtime import Engine
from stepiq.queue import tickets
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.noted_turns import NotedTurns

SPLIT = """
name: Split
steps:
  - id: many
    type: parallel
    for_each: "[1, 2, 3]"
    step: {id: one, type: transform, template: "{{item}}"}
"""
ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: Hello}]"
QUEUED = 1_000
AT_ONCE = 60


@pytest.fixture(autouse=True)
def small_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "CONCURRENCY", AT_ONCE)


class TestLanes:
    async def test_a_run_starts_while_another_workspace_has_a_thousand_that_do_not_end(
        self,
        database: Database,
        changes: LocalChanges,
        engine: Engine,
        world: World,
        fake_provider: RunningFakeProvider,
    ):
        """The thousand have taken all places that there are for them."""
        fake_provider.configure(latency_ms=300_000)
        pipeline_id = await world.pipeline(ASK)
        async with database.transaction() as session:
            wanted = [world.new_run(pipeline_id) for _ in range(QUEUED)]
            assert await engine.accept_many(session, wanted) == [None] * QUEUED
        await asyncio.wait_for(fake_provider.next_request(AT_ONCE), 60)
        other = await World.create(database, changes, engine)
        theirs = await other.pipeline(ASK)

        _, other_heard = await other.start(theirs)
        await asyncio.wait_for(other_heard.until("step.status", status="running"), 60)

        assert len(engine._executing) == AT_ONCE + 1
        await engine.stop(timedelta(0))


class TestTurns:
    async def test_each_run_and_each_further_step_takes_a_turn_of_its_workspace(
        self, engine: Engine, world: World
    ):
        turns = NotedTurns()
        engine._dependencies.turns = turns

        _, heard = await world.start(await world.pipeline(SPLIT))
        await asyncio.wait_for(heard.until_ended(), 60)

        # The run, whose turn the `parallel` uses, and its three branches.
        assert turns.taken == [world.workspace_id] * 4
