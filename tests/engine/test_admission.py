import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.engine.admission import QueueFull, RunNotCancellable
from stepiq.runs import queries
from stepiq.store.tables import runs, workspaces
from tests.support.engine import Heard, World
from tests.support.fake_provider import RunningFakeProvider

ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x}]"


class TestAccept:
    async def test_a_run_over_the_cap_waits_for_a_slot(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        _, heard = await world.start(pipeline_id, admitted_limit=1)
        await heard.until("step.status", status="running")

        second, _ = await world.start(pipeline_id, admitted_limit=1)

        assert await world.counters() == (2, 1)
        assert (await world.ended(second, heard)).run.status == "pending"

    async def test_the_slot_of_a_run_that_ends_goes_to_the_oldest(self, world: World):
        pipeline_id = await world.pipeline(ASK)

        started = [await world.start(pipeline_id, admitted_limit=1) for _ in range(4)]

        for _, heard in started:
            await heard.until_ended()
        ended = [(await world.ended(run_id, heard)).run for run_id, heard in started]
        assert [run.status for run in ended] == ["completed"] * 4
        assert sorted(ended, key=lambda run: run.completed_at) == ended
        assert await world.counters() == (0, 0)

    async def test_a_full_queue_refuses_and_keeps_nothing(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        for _ in range(2):
            await world.start(pipeline_id, admitted_limit=1, queued_limit=1)

        with pytest.raises(QueueFull, match="set-plan"):
            await world.start(pipeline_id, admitted_limit=1, queued_limit=1)

        assert await world.counters() == (2, 1)

    async def test_a_plan_that_was_raised_leaves_nobody_behind(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        held = [await world.start(pipeline_id, admitted_limit=1) for _ in range(3)]
        await fake_provider.next_request()
        fake_provider.configure(latency_ms=0)

        late = await world.start(pipeline_id, admitted_limit=None)

        assert await world.counters() == (4, 2)
        await held[1][1].until_ended()
        await world.cancel(held[0][0])
        for _, heard in (held[2], late):
            await heard.until_ended()
        assert await world.counters() == (0, 0)


class TestCancel:
    async def test_a_run_without_a_slot_frees_none(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        started = [await world.start(pipeline_id, admitted_limit=1) for _ in range(3)]

        await world.cancel(started[1][0])

        assert await world.counters() == (2, 1)

    async def test_a_run_with_a_slot_hands_it_on(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        (first, _), (_, heard) = [
            await world.start(pipeline_id, admitted_limit=1) for _ in range(2)
        ]

        await world.cancel(first)

        await heard.until("run.status", status="running")
        assert await world.counters() == (1, 1)

    async def test_a_run_that_is_handed_a_slot_meanwhile_waits_its_turn(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        held = [await world.start(pipeline_id, admitted_limit=1) for _ in range(2)][1][0]

        async def cancel() -> None:
            async with world.database.transaction() as session:
                await queries.lock(session, world.workspace_id, held)
                await world.engine.cancel(session, world.workspace_id, held)

        async with world.database.transaction() as session:
            # What the end of a run does: first the workspace's row, then that of the run that waits.
            counted = {"admitted_runs": workspaces.c.admitted_runs}
            await session.execute(workspaces.update().values(counted))
            cancelling = asyncio.create_task(cancel())
            await _is_waiting(world)
            await session.execute(runs.update().where(runs.c.id == held).values(ticket=0))

        await cancelling
        assert await world.counters() == (1, 1)

    async def test_a_finished_run_refuses(self, world: World):
        ended = await world.run("name: T\nsteps: [{id: t, type: transform, template: x}]")

        with pytest.raises(RunNotCancellable):
            await world.cancel(ended.run.id)

    async def test_a_run_of_another_workspace_is_left_alone(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        run_id, heard = await world.start(await world.pipeline(ASK))
        await heard.until("step.status", status="running")
        stranger = await World.create(world.database, world.changes, world.engine)

        with pytest.raises(RunNotCancellable):
            await stranger.cancel(run_id)

        ended = await world.ended(run_id, heard)
        assert (ended.run.status, ended.steps["ask"].status) == ("running", "running")

    async def test_row_and_stream_agree_on_one_outcome_when_a_cancel_races_the_end(
        self, world: World
    ):
        pipeline_id = await world.pipeline(
            "name: T\nsteps: [{id: t, type: transform, template: x}]"
        )

        for _ in range(20):
            run_id, heard = await world.start(pipeline_id)
            await _cancel_if_possible(world, run_id)
            final = await heard.until_ended()

            ended = await world.ended(run_id, heard)
            assert final["status"] == ended.run.status
            assert [event.seq for event in ended.events] == list(range(1, ended.run.last_seq + 1))
        assert await world.counters() == (0, 0)


class TestFairness:
    async def test_nobodys_first_run_stands_behind_somebodys_hundredth(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        pipeline_id = await world.pipeline(ASK)
        other = await World.create(world.database, world.changes, world.engine)
        others_pipeline = await other.pipeline(ASK)
        fake_provider.configure(latency_ms=400)
        crowd = [await world.start(pipeline_id, admitted_limit=5) for _ in range(40)]

        _, heard = await other.start(others_pipeline)
        await asyncio.wait_for(heard.until_ended(), 5)

        assert not all([await _has_ended(world, run) for run in crowd])


async def _cancel_if_possible(world: World, run_id: UUID) -> None:
    with suppress(RunNotCancellable):
        await world.cancel(run_id)


async def _is_waiting(world: World) -> None:
    """Until a transaction of PostgreSQL waits for another. SQLite has one at a time."""
    waits = sa.text(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not world.database.is_sqlite:
        async with world.database.reading() as session:
            if await session.scalar(waits):
                return


async def _has_ended(world: World, started: tuple[UUID, Heard]) -> bool:
    return (await world.ended(*started)).run.completed_at is not None
