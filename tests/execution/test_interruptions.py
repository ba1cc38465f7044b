"""Runs that are cancelled, taken over, or lost to another worker while a step is in flight."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any, NoReturn
from unittest.mock import AsyncMock
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from stepiq.execution.handlers import StepHandler, handlers
from stepiq.execution.interpreter import attempts
from stepiq.execution.interpreter.journal_buffer import JournalBuffer
from stepiq.execution.journal import writing as journal_module
from stepiq.execution.journal.writing import ClaimLost, Journal, JournalEntry
from stepiq.execution.records.operations import Written
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.execution.runtime import Engine
from stepiq.store.database import PATIENT_SECONDS, Session, StoreUnavailable
from stepiq.store.tables import runs
from stepiq.store.write_batching import WriteBatcher
from tests.support import loop_time
from tests.support.engine import Heard, World
from tests.support.fake_provider import RunningFakeProvider

ASK = """
name: Ask
steps:
  - {id: before, type: transform, template: "cats"}
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about {{steps.before.output}}"
    retry: {max_attempts: 3, backoff_ms: 1}
"""

TWO_CALLS = """
name: Two calls
steps:
  - id: both
    type: parallel
    steps:
      - {id: one, model: openai/gpt-4o-mini, prompt: one}
      - {id: two, model: openai/gpt-4o-mini, prompt: two}
"""


class TestCancel:
    async def test_a_call_in_flight_is_closed_and_counted(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=30_000)
        pipeline_id = await world.pipeline(ASK + "  - {id: after, type: transform, template: x}\n")
        run_id, heard = await world.start(pipeline_id)
        await heard.until("step.delta")
        request = await fake_provider.next_request()

        with loop_time.within(1):
            await world.cancel(run_id)
            ended = await world.ended(run_id, heard)
            await request.ended.wait()

        assert ended.run.status == "cancelled"
        assert request.closed_by_client
        assert ended.steps["ask"].status == "cancelled"
        assert ended.steps["ask"].output_tokens > 0
        assert ended.steps["ask"].tokens_estimated
        assert ended.run.output_tokens == ended.steps["ask"].output_tokens
        assert "after" not in ended.steps
        assert await world.counters() == (0, 0)

    @pytest.mark.parametrize("is_late", [False, True], ids=["in time", "late"])
    async def test_a_call_that_ended_but_is_not_recorded_is_counted(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        monkeypatch: pytest.MonkeyPatch,
        is_late: bool,
    ):
        if is_late:
            _notify_during_count(world, monkeypatch, is_cancelled=True)

        async with _unrecorded(world, fake_provider, monkeypatch) as (session, run_id, heard):
            await world.engine.cancel(session, world.workspace_id, run_id)
        await _idle(world, run_id)

        ended = await world.ended(run_id, heard)
        assert ended.steps["ask"].status == "cancelled"
        assert not ended.steps["ask"].tokens_estimated
        assert ended.run.output_tokens == ended.steps["ask"].output_tokens > 0

    async def test_calls_of_other_branches_are_counted_if_one_has_found_that_the_claim_is_lost(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        is_cancelled, closing, may_close = asyncio.Event(), asyncio.Event(), asyncio.Event()
        close, let_go = httpx2.Response.aclose, Engine.let_go
        count, may_count = Journal.count_cancelled, list[bool]()

        async def find_the_loss(*_: object) -> NoReturn:
            await is_cancelled.wait()
            raise ClaimLost

        async def close_slowly(response: httpx2.Response) -> None:
            closing.set()
            await may_close.wait()
            await close(response)

        async def counted(journal: Journal, run: ClaimedRun, record: StepRecord) -> None:
            may_count.append(may_close.is_set())
            await count(journal, run, record)

        monkeypatch.setattr(Engine, "let_go", lambda *_: False)
        monkeypatch.setattr(Journal, "count_cancelled", counted)
        others = {**handlers(), "transform": StepHandler(find_the_loss)}
        monkeypatch.setattr(attempts, "handlers", lambda: others)
        monkeypatch.setattr(httpx2.Response, "aclose", close_slowly)
        fake_provider.configure(token_ms=60_000)
        run_id, heard = await world.start(
            await world.pipeline(
                """
                name: P
                steps:
                  - id: p
                    type: parallel
                    steps:
                      - {id: ask, model: openai/gpt-4o, prompt: a}
                      - {id: loss, type: transform, template: x}
                """
            )
        )
        await heard.until("step.delta")
        # `World.cancel` would wait for the run's end.
        async with world.database.transaction() as session:
            await world.engine.cancel(session, world.workspace_id, run_id)
        is_cancelled.set()
        await closing.wait()
        let_go(world.engine, run_id, True)
        # If the cancel interrupted the wait for the branches, the run would be counted now.
        for _ in range(100):
            await asyncio.sleep(0)
        may_close.set()
        await _idle(world, run_id)

        ended = await world.ended(run_id, heard)
        assert may_count == [True]
        assert ended.run.output_tokens == ended.steps["ask"].output_tokens > 0

    async def test_tokens_whose_write_was_not_confirmed_count_once(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(replies=["no JSON"])
        write = world.engine._journal._write_together

        async def write_and_lose_the_response(batch: Sequence[Any]) -> Sequence[Any]:
            if not fake_provider.requests:
                return await write(batch)
            with monkeypatch.context() as patched:
                patched.setattr(journal_module, "_written", lambda _: None)
                patched.setattr(Written, "is_durable", lambda _: None)
                await write(batch)
            async with world.database.transaction() as session:
                await world.engine.cancel(session, world.workspace_id, run_id)
            task = world.engine._executing[run_id]
            while not task.cancelling():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            raise StoreUnavailable("The database did not respond.")

        writing = WriteBatcher(world.database, write_and_lose_the_response)
        monkeypatch.setattr(world.engine._journal, "_writing", writing)
        run_id, heard = await world.start(
            await world.pipeline(
                "name: P\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x, output_schema: {type: object}}]"
            )
        )
        with capture_logs() as logs:
            await asyncio.wait_for(heard.until_ended(), 20)
            await _idle(world, run_id)

        ended = await world.ended(run_id, heard)
        assert ended.steps["ask"].status == "cancelled"
        assert ended.run.input_tokens == ended.steps["ask"].input_tokens > 0
        assert all(each["log_level"] == "info" for each in logs)

    @pytest.mark.parametrize(
        ("error", "outage_seconds", "is_counted"),
        [
            (KeyError("no column"), 0, True),
            (StoreUnavailable("The connection was cut."), 0, True),
            # A silent database would delay the stop of a worker by as much for each step.
            (StoreUnavailable("The database did not respond."), PATIENT_SECONDS, False),
        ],
    )
    async def test_if_a_call_cannot_be_counted_the_others_are_unless_the_database_is_silent(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        monkeypatch: pytest.MonkeyPatch,
        clock: ModuleType,
        error: Exception,
        outage_seconds: float,
        is_counted: bool,
    ):
        count, errors = world.engine._journal.count_cancelled, [error]

        async def count_later(run: ClaimedRun, record: StepRecord) -> None:
            if errors:
                clock.advance(timedelta(seconds=outage_seconds))
                raise errors.pop()
            await count(run, record)

        monkeypatch.setattr(world.engine._journal, "count_cancelled", count_later)
        fake_provider.configure(token_ms=30_000)
        run_id, heard = await world.start(await world.pipeline(TWO_CALLS))
        for _ in range(2):
            await heard.until("step.delta")

        await world.cancel(run_id)
        await _idle(world, run_id)

        ended = await world.ended(run_id, heard)
        assert (ended.run.output_tokens > 0) is is_counted


class TestLostClaims:
    async def test_a_worker_that_lost_its_run_changes_nothing(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        with fake_provider.holding():
            run_id, heard = await world.start(await world.pipeline(ASK))
            await heard.until("step.status", step_id="ask", status="running")
            async with world.database.transaction() as session:
                await session.execute(
                    runs.update().where(runs.c.id == run_id).values(claim=runs.c.claim + 1)
                )
        await _idle(world, run_id)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "running"
        assert ended.steps["ask"].status == "running"

    @pytest.mark.parametrize("is_let_go", [False, True])
    async def test_only_one_of_two_that_find_the_loss_notes_it(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        monkeypatch: pytest.MonkeyPatch,
        is_let_go: bool,
    ):
        noted: list[UUID] = []
        monkeypatch.setattr(
            world.engine._recovery, "claim_lost", lambda run_id, _claim: noted.append(run_id)
        )
        # It would find the loss, too, if it looked before the worker writes.
        monkeypatch.setattr(world.engine._recovery, "let_go", AsyncMock())
        if is_let_go:
            # As `Recovery.let_go` does, which then notes the loss itself.
            _notify_during_count(world, monkeypatch, is_cancelled=False)

        async with _unrecorded(world, fake_provider, monkeypatch) as (session, run_id, _):
            await session.execute(
                runs.update().where(runs.c.id == run_id).values(claim=runs.c.claim + 1)
            )
        await _idle(world, run_id)

        assert noted == ([] if is_let_go else [run_id])


class TestTakingOver:
    async def test_recorded_steps_are_kept_and_the_one_in_flight_runs_again(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=10_000)
        run_id, heard = await world.start(await world.pipeline(ASK))
        await heard.until("step.status", step_id="ask", status="running")
        await world.engine.stop(drain=timedelta(0))
        fake_provider.configure(latency_ms=0)

        await world.engine.start()
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert ended.run.claim == 2
        assert ended.steps["before"].attempts == 1
        assert ended.steps["ask"].attempts == 2
        assert [event.seq for event in ended.events] == list(range(1, len(ended.events) + 1))

    async def test_a_failed_step_and_the_end_of_its_run_are_one_record(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        # Everything is overdue.
        monkeypatch.setattr(JournalBuffer, "write_in_time", JournalBuffer.write)
        written: list[tuple[list[str], bool]] = []
        write = Journal.write

        async def noted(journal: Journal, run: ClaimedRun, entry: JournalEntry) -> None:
            written.append(([record.step_id for record in entry.steps], entry.ending is not None))
            await write(journal, run, entry)

        monkeypatch.setattr(Journal, "write", noted)

        await world.run(
            """
            name: Fails
            steps:
              - {id: one, type: transform, template: x}
              - {id: two, type: transform, output_format: json, template: 'no'}
            """
        )

        assert [ending for steps, ending in written if "two" in steps] == [True]

    async def test_large_outputs_are_there_for_the_steps_that_follow(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=10_000)
        source = """
        name: L
        input: {schema: {type: object}}
        steps:
          - {id: large, type: transform, template: "{{input.x}}"}
          - {id: ask, model: openai/gpt-4o-mini, prompt: "Hi"}
          - {id: end, type: transform, template: "{{length steps.large.output}}"}
        """.replace("{{length steps.large.output}}", "{{steps.large.output}}")
        run_id, heard = await world.start(await world.pipeline(source), {"x": "y" * 70_000})
        await heard.until("step.status", step_id="ask", status="running")
        await world.engine.stop(drain=timedelta(0))
        fake_provider.configure(latency_ms=0)

        await world.engine.start()
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert ended.run.output_is_large


@asynccontextmanager
async def _unrecorded(
    world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Session, UUID, Heard]]:
    """A run whose call has ended, but whose record has to wait for the end of this transaction."""
    recording = asyncio.Event()
    write = Journal.write

    async def noted(journal: Journal, run: ClaimedRun, entry: JournalEntry) -> None:
        if any(record.step_id == "ask" and record.is_final for record in entry.steps):
            recording.set()
        await write(journal, run, entry)

    monkeypatch.setattr(Journal, "write", noted)
    with fake_provider.holding() as allow:
        run_id, heard = await world.start(await world.pipeline(ASK))
        request = await fake_provider.next_request()
        async with world.database.transaction() as session:
            await session.execute(sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update())
            allow(1_000)
            await request.ended.wait()
            await recording.wait()
            yield session, run_id, heard


def _notify_during_count(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_cancelled: bool
) -> None:
    """Let go of a run only after its worker has found that its claim is lost."""
    count, let_go = Journal.count_cancelled, Engine.let_go

    async def interrupted(journal: Journal, run: ClaimedRun, record: StepRecord) -> None:
        let_go(world.engine, run.id, is_cancelled)
        await count(journal, run, record)

    monkeypatch.setattr(Engine, "let_go", lambda *_: False)
    monkeypatch.setattr(Journal, "count_cancelled", interrupted)


async def _idle(world: World, run_id: UUID) -> None:
    """Until nobody in this process carries the run."""
    while run_id in world.engine._executing:
        await world.engine.settled(run_id)
