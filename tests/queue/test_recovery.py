"""What happens when the store or the engine itself is at fault."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.execution.admission.control import Release
from stepiq.execution.journal import retention
from stepiq.execution.journal.writing import JournalEntry
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.connections.faults import FULL, StoreDamaged, StoreFull
from stepiq.store.database import StoreUnavailable
from stepiq.store.tables import pipeline_versions, runs
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider

ASK = """
name: Ask
steps:
  - {id: before, type: transform, template: "x"}
  - {id: ask, model: openai/gpt-4o-mini, prompt: "{{steps.before.output}}"}
"""


class TestAbandon:
    async def test_a_step_that_was_in_flight_fails_with_its_run(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        run_id, heard = await world.start(pipeline_id)
        await heard.until("step.status", step_id="ask", status="running")
        await world.engine.stop(drain=timedelta(0))
        await _break(world, pipeline_id)
        # As after a restart: compiled versions are not at hand.
        world.engine.definitions._compiled.clear()

        await world.engine.start()
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "definition_invalid"
        assert ended.run.error["step_id"] == "ask"
        assert ended.steps["before"].status == "completed"
        assert ended.steps["ask"].status == "failed"

    async def test_a_run_that_has_ended_stays_as_it_is(self, world: World):
        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")

        await world.engine._executor.abandon(ended.run.id)

        assert (await world.ended(ended.run.id, ended.heard)).run.status == "completed"

    async def test_without_a_store_it_is_tried_again(self, world: World, monkeypatch):
        executor, outages = world.engine._executor, [1, 2]
        abandon = executor.abandon

        async def broken(run_id, claims, *, again):
            raise ZeroDivisionError

        async def abandon_in_an_outage(run_id, held):
            if outages:
                outages.pop()
                raise StoreUnavailable("The database did not respond.")
            await abandon(run_id, held)

        monkeypatch.setattr(executor, "execute", broken)
        monkeypatch.setattr(executor, "abandon", abandon_in_an_outage)
        loop_time.quicken(1)

        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")

        assert ended.run.error["code"] == "internal"

    async def test_a_run_that_another_worker_has_taken_over_stays_as_it_is(self, world: World):
        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")
        async with world.database.transaction() as session:
            await session.execute(
                runs.update()
                .where(runs.c.id == ended.run.id)
                .values(status="running", completed_at=None, claim=2)
            )

        await world.engine._executor.abandon(ended.run.id, held=1)

        assert (await world.ended(ended.run.id, ended.heard)).run.status == "running"


class TestStoreOutage:
    async def test_a_run_goes_on_when_the_store_is_back(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        if world.database.is_sqlite:
            # A file does not hang up.
            return
        fake_provider.configure(latency_ms=300)
        run_id, heard = await world.start(await world.pipeline(ASK))
        await heard.until("step.status", step_id="ask", status="running")

        for _ in range(3):
            await _hang_up(world)
            await asyncio.sleep(0.1)

        await asyncio.wait_for(heard.until_ended(), 30)
        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert [event.seq for event in ended.events] == list(range(1, len(ended.events) + 1))

    async def test_a_run_that_needs_a_damaged_part_of_the_file_waits(
        self, world: World, monkeypatch
    ):
        journal, faults = world.engine._journal, [1, 2]
        write = journal.write

        async def write_in_a_damaged_file(run, entry):
            if faults:
                faults.pop()
                raise StoreDamaged("The database disk image is malformed.")
            await write(run, entry)

        monkeypatch.setattr(journal, "write", write_in_a_damaged_file)
        loop_time.quicken(1)

        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")

        assert (ended.run.status, ended.run.claim) == ("completed", 1)

    async def test_a_run_that_waits_for_space_can_be_cancelled(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        fill_the_disk(world, monkeypatch)
        with capture_logs() as logs:
            run_id, heard = await world.start(await world.pipeline(ASK))
            await until_it_waits(logs)

        await world.cancel(run_id)

        while run_id in world.engine._executing:
            await world.engine.settled(run_id)
        assert (await world.ended(run_id, heard)).run.status == "cancelled"

    async def test_a_worker_whose_runs_wait_for_space_can_stop(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        with monkeypatch.context() as patched, capture_logs() as logs:
            fill_the_disk(world, patched)
            _, heard = await world.start(await world.pipeline(ASK))
            await until_it_waits(logs)

            await asyncio.wait_for(world.engine.stop(drain=timedelta(0)), 20)

        await world.engine.start()
        assert (await asyncio.wait_for(heard.until_ended(), 20))["status"] == "completed"

    async def test_a_claim_that_finds_no_store_is_made_again(self, world: World, monkeypatch):
        journal, outages = world.engine._journal, [1, 2]
        claim = journal.claim

        async def claim_in_an_outage(run_id, *, again):
            if outages:
                outages.pop()
                raise StoreUnavailable("The database did not respond.")
            return await claim(run_id, again=again)

        monkeypatch.setattr(journal, "claim", claim_in_an_outage)
        loop_time.quicken(1)

        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")

        assert ended.run.status == "completed"

    async def test_a_cancel_is_not_lost_when_its_tokens_cannot_be_counted(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch
    ):
        async def unavailable(run, record):
            raise StoreUnavailable("The database did not respond.")

        monkeypatch.setattr(world.engine._journal, "count_cancelled", unavailable)
        fake_provider.configure(token_ms=30_000)
        run_id, heard = await world.start(await world.pipeline(ASK))
        await heard.until("step.delta")

        await world.cancel(run_id)

        assert run_id not in world.engine._executing
        assert (await world.ended(run_id, heard)).run.status == "cancelled"


class TestSweepForEver:
    async def test_it_goes_on_turn_after_turn(self, world: World, monkeypatch):
        loop_time.quicken(30)
        swept = asyncio.Event()

        async def sweep(database, tickets):
            calls.append(len(calls))
            if len(calls) == 1:
                raise RuntimeError("a fault of ours")
            if len(calls) == 2:
                return retention._BATCH
            if len(calls) == 3:
                raise StoreUnavailable("The database did not respond.")
            swept.set()
            return 0

        calls: list[int] = []
        monkeypatch.setattr(retention, "sweep", sweep)
        sweeping = asyncio.create_task(
            retention.sweep_for_ever(world.database, world.engine._tickets)
        )

        await asyncio.wait_for(swept.wait(), 10)

        sweeping.cancel()


class TestCarry:
    async def test_a_ticket_without_a_run_is_of_no_consequence(self, world: World):
        await world.engine._executor.execute(uuid7())

    async def test_a_held_run_whose_slot_was_taken_away_is_left_alone(self, world: World):
        """A release without anybody waiting hands nothing on, whatever the counters say."""
        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")
        async with world.database.transaction() as session:
            await session.execute(
                sa.text("UPDATE workspaces SET unfinished_runs = 2, admitted_runs = 1")
            )
            await world.engine._admission.release(
                session, world.workspace_id, Release(runs=1, slots=1), clock.now()
            )

        assert await world.counters() == (1, 0)
        async with world.database.reading() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(runs)) == 1
        assert ended.run.status == "completed"


def fill_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse all writes of the journal."""

    async def write_on_a_full_disk(run: ClaimedRun, entry: JournalEntry) -> None:
        raise StoreFull(FULL)

    monkeypatch.setattr(world.engine._journal, "write", write_on_a_full_disk)


async def until_it_waits(logs: Sequence[Mapping[str, object]]) -> None:
    async with asyncio.timeout(20):
        while not any(each["event"] == "run_waits_for_store" for each in logs):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def _break(world: World, pipeline_id) -> None:
    async with world.database.transaction() as session:
        await session.execute(
            pipeline_versions.update()
            .where(pipeline_versions.c.pipeline_id == pipeline_id)
            .values(definition={"steps": "broken"})
        )


async def _hang_up(world: World) -> None:
    """Cut every connection of the store but the one that asks."""
    async with world.database.transaction() as session:
        await session.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE '%advisory%'"
            )
        )
