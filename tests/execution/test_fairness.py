"""One workspace's thousand runs do not hold up another's."""

import asyncio
import time
from datetime import timedelta

import pytest

from stepiq.execution.runtime import Engine
from stepiq.queue import tickets
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider

ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: Hello}]"
QUEUED = 1_000
AT_ONCE = 20
STARTS_WITHIN_SECONDS = 5


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
        for _ in range(QUEUED):
            await world.start(pipeline_id)
        await asyncio.wait_for(fake_provider.next_request(AT_ONCE + tickets.FIRST), 60)
        other = await World.create(database, changes, engine)
        theirs = await other.pipeline(ASK)

        begun = time.monotonic()
        _, other_heard = await other.start(theirs)
        await asyncio.wait_for(other_heard.until("step.status", status="running"), 60)

        assert time.monotonic() - begun < STARTS_WITHIN_SECONDS
        assert len(engine._executing) == AT_ONCE + tickets.FIRST + 1
        await engine.stop(timedelta(0))
