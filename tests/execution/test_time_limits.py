"""Time limits of steps and runs."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from stepiq.cli.fake_provider.server import Failure
from stepiq.execution.journal.writing import JournalEntry
from stepiq.execution.records.run import ClaimedRun
from stepiq.language import offload
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider

ASK = """
name: Ask
steps:
  - {id: ask, model: openai/gpt-4o-mini, prompt: "Hi", retry: {max_attempts: 3, backoff_ms: 1}}
"""

pytestmark = pytest.mark.one_store


class TestTimeouts:
    SLOW = """
    name: Slow
    steps:
      - {id: ask, model: openai/gpt-4o-mini, prompt: x, timeout_seconds: 1%s}
    """

    async def test_an_attempt_that_takes_too_long_fails_its_step(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=20_000)

        ended = await world.run(self.SLOW % "")

        assert ended.run.error["code"] == "step_timeout"
        assert ended.steps["ask"].attempts == 1

    async def test_it_is_tried_again_where_the_step_says_so(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=20_000)

        ended = await world.run(
            self.SLOW % ", retry: {max_attempts: 2, backoff_ms: 1, on_timeout: true}"
        )

        assert ended.steps["ask"].attempts == 2

    @pytest.mark.parametrize(
        "step",
        [
            "{id: a, prompt: x, timeout_seconds: 10}",
            "{id: a, type: transform, template: x, timeout_seconds: 10}",
        ],
    )
    async def test_the_wait_for_a_computation_does_not_count(
        self, world: World, monkeypatch: pytest.MonkeyPatch, step: str
    ):
        loop, render = asyncio.get_running_loop(), offload.render

        async def late(*arguments: Any) -> Any:
            now = loop.time
            loop.time = lambda: now() + 12  # the loop ends with the test
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return await render(*arguments)

        monkeypatch.setattr(offload, "render", late)

        ended = await world.run(f"name: Late\nsteps: [{step}]")

        assert ended.run.error is None

    async def test_the_wait_for_the_store_between_two_calls_does_not_count(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(replies=["no JSON", '{"a": 1}'])
        journal, is_late = world.engine._journal, False
        write = journal.write

        async def write_late(run: ClaimedRun, entry: JournalEntry) -> None:
            nonlocal is_late
            if len(fake_provider.requests) == 1 and entry.steps and not is_late:
                is_late = True
                loop_time.skip(12)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await write(run, entry)

        monkeypatch.setattr(journal, "write", write_late)

        ended = await world.run(
            "name: Late\nsteps: [{id: ask, prompt: x, output_schema: {type: object}, timeout_seconds: 10}]"
        )

        assert is_late
        assert ended.run.error is None

    async def test_a_run_has_its_own_limit(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(latency_ms=20_000)
        pipeline_id = await world.pipeline(ASK)

        run_id, heard = await world.start(pipeline_id, run_timeout=timedelta(milliseconds=300))
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"

    async def test_a_run_whose_time_is_up_starts_no_further_step(self, world: World):
        pipeline_id = await world.pipeline(
            "name: A\nsteps: [{id: a, type: transform, template: x}]"
        )

        run_id, heard = await world.start(pipeline_id, run_timeout=timedelta(0))
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"

    async def test_the_pause_before_a_retry_ends_with_the_run(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=429, retry_after="60")])
        pipeline_id = await world.pipeline(ASK)

        run_id, heard = await world.start(pipeline_id, run_timeout=timedelta(seconds=1))
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"
