"""What a step does again after an interruption, and what it does not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from stepiq.cli.fake_provider.server import Failure
from stepiq.execution.journal.writing import Journal, JournalEntry
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.tables import run_operations, runs
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.operations import (
    STRUCTURED,
    continued,
    interrupt_in_correction,
    operations,
)
from tests.support.receiver import Receiver, Reply, running_receiver
from tests.support.stores import on_sqlite

ASK = """
name: Ask
steps:
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about cats"
    retry: {max_attempts: 3, backoff_ms: 1}
"""
CORRECTION = "The answer is invalid, so the model gets a correction prompt."


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


class TestReplay:
    async def test_a_completed_call_is_not_made_again(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        assert fake_provider.stats.calls == 3
        first, second = await operations(world, run_id)
        assert (first.starts, first.status) == (1, "completed")
        assert (second.starts, second.status) == (2, "completed")
        keys = [each.headers["idempotency-key"] for each in fake_provider.requests]
        assert keys == [f"{run_id}:ask:1", f"{run_id}:ask:1:2", f"{run_id}:ask:1:2"]
        assert len(fake_provider.requests[2].body["messages"]) == 3

    async def test_tokens_of_a_completed_call_count_once(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        ended = await continued(world, run_id, heard)

        first, second = await operations(world, run_id)
        assert ended.run.output_tokens == first.output_tokens + second.output_tokens
        assert ended.run.input_tokens == first.input_tokens + second.input_tokens

    async def test_lines_of_the_log_are_not_written_twice(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        ended = await continued(world, run_id, heard)

        lines = [event.data["message"] for event in ended.events if event.type == "step.log"]
        assert len([line for line in lines if line.startswith(CORRECTION)]) == 1

    async def test_a_failed_call_fails_again_without_being_made(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=500)], latency_ms=300)
        fallback = ASK.replace("prompt:", "fallback_models: [openai/gpt-4.1-mini]\n    prompt:")
        run_id, heard = await world.start(await world.pipeline(fallback))
        await fake_provider.next_request(1)
        fake_provider.configure(latency_ms=30_000)
        await fake_provider.next_request(2)
        await world.engine.stop(drain=timedelta(0))
        fake_provider.configure(latency_ms=0)

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        models = [each.body["model"] for each in fake_provider.requests]
        assert models == ["gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-mini"]

    async def test_another_request_than_the_recorded_one_fails_clearly(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)
        async with world.database.transaction() as session:
            await session.execute(
                run_operations.update().where(run_operations.c.number == 1).values(request_hash="0")
            )

        error = (await continued(world, run_id, heard)).run.error

        assert error["code"] == "replay_mismatch"
        assert "call 1 of the step has another request than before" in error["message"]
        assert fake_provider.stats.calls == 2

    async def test_a_secret_that_changed_meanwhile_is_no_mismatch(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.secret("NAME", "first-secret-value")
        source = STRUCTURED.replace("about cats", "about {{env.NAME}}")
        run_id, heard = await interrupt_in_correction(world, fake_provider, source)
        await world.secret("NAME", "second-secret-value")

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        assert fake_provider.stats.calls == 3

    async def test_lines_before_a_call_with_a_refused_one_before_it_are_not_written_twice(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = STRUCTURED.replace("openai/gpt-4o-mini", "gemini/gemini-2.5-flash").replace(
            "prompt:", "fallback_models: [openai/gpt-4o-mini]\n    prompt:"
        )
        fake_provider.configure(latency_ms=30_000)
        run_id, heard = await world.start(await world.pipeline(source))
        await fake_provider.next_request(1)
        await world.engine.stop(drain=timedelta(0))
        fake_provider.configure(latency_ms=0)

        ended = await continued(world, run_id, heard)

        lines = [event.data["message"] for event in ended.events if event.type == "step.log"]
        assert len([line for line in lines if "Using model" in line]) == 1

    async def test_a_completed_call_is_progress(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(json_answers="invalid")
        with fake_provider.holding():
            run_id, heard = await world.start(await world.pipeline(STRUCTURED))
            await heard.until("step.status", step_id="ask", status="running")
            async with world.database.transaction() as session:
                await session.execute(runs.update().where(runs.c.id == run_id).values(crashes=2))

        await fake_provider.next_request(2)

        assert (await world.ended(run_id, heard)).run.crashes == 0


MIXED = """
name: Mixed
steps:
  - id: both
    type: parallel
    steps:
      - id: ask
        model: openai/gpt-4o-mini
        prompt: "Tell me about cats"
        retry: {max_attempts: 1}
        on_error: continue
        output_schema: {type: object, required: [name], properties: {name: {type: string}}}
      - {id: call, type: webhook, method: POST, url: "URL/a"}
  - {id: last, type: webhook, method: POST, url: "URL/b"}
"""


class TestInterruptions:
    @pytest.mark.slow
    @pytest.mark.parametrize("after", [2, 4, 7, *on_sqlite(1, 3, 5, 6, 8)])
    async def test_wherever_a_run_stops_no_recorded_call_is_repeated(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        after: int,
    ):
        fake_provider.configure(json_answers="invalid", latency_ms=30)
        receiver.reply_with(Reply(body=b"ok", delay=0.02))
        written, reached = 0, asyncio.Event()
        write = Journal.write

        async def counted(journal: Journal, run: ClaimedRun, entry: JournalEntry) -> None:
            nonlocal written
            await write(journal, run, entry)
            written += 1
            if written == after or entry.ending is not None:
                reached.set()

        monkeypatch.setattr(Journal, "write", counted)
        run_id, heard = await world.start(await world.pipeline(MIXED.replace("URL", receiver.url)))
        await reached.wait()
        await world.engine.stop(drain=timedelta(0))
        recorded = {
            each.key
            for each in await operations(world, run_id)
            if each.status in ("completed", "failed")
        }
        sent = [each.headers["idempotency-key"] for each in fake_provider.requests]
        sent += [each.headers["idempotency-key"] for each in receiver.received]

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        keys = [each.headers["idempotency-key"] for each in fake_provider.requests]
        keys += [each.headers["idempotency-key"] for each in receiver.received]
        assert all(keys.count(key) == sent.count(key) for key in recorded)
        assert set(keys) == {
            f"{run_id}:ask:0:1", f"{run_id}:ask:0:1:2", f"{run_id}:call:1:1", f"{run_id}:last:1",
        }  # fmt: skip
        found = await operations(world, run_id)
        assert ended.run.output_tokens == sum(each.output_tokens for each in found)
