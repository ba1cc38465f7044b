import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest

from stepiq.core import clock as core_clock
from stepiq.core.ids import uuid7
from stepiq.execution.admission.errors import RunNotCancellable
from stepiq.execution.limits import usage
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.execution.records.run import NewRun
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import TriggerType
from stepiq.store.tables import runs, workspaces
from tests.support.engine import Heard, Limits, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.locks import until_one_waits

ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x}]"
QUICK = "name: T\nsteps: [{id: t, type: transform, template: x}]"


class TestAccept:
    async def test_a_run_over_the_cap_waits_for_a_slot(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        _, heard = await world.start(pipeline_id, plan=Limits(1))
        await heard.until("step.status", status="running")

        second, _ = await world.start(pipeline_id, plan=Limits(1))

        assert await world.counters() == (2, 1)
        assert (await world.ended(second, heard)).run.status == "pending"

    async def test_the_slot_of_a_run_that_ends_goes_to_the_oldest(self, world: World):
        pipeline_id = await world.pipeline(ASK)

        started = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(4)]

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
            await world.start(pipeline_id, plan=Limits(1, 1))

        with pytest.raises(QueueFull, match="workspaces limits"):
            await world.start(pipeline_id, plan=Limits(1, 1))

        assert await world.counters() == (2, 1)

    async def test_a_plan_that_was_raised_leaves_nobody_behind(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        held = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(3)]
        await fake_provider.next_request()
        fake_provider.configure(latency_ms=0)

        with fake_provider.holding():
            late = await world.start(pipeline_id, plan=Limits())

            assert await world.counters() == (4, 2)
        await held[1][1].until_ended()
        await world.cancel(held[0][0])
        for _, heard in (held[2], late):
            await heard.until_ended()
        assert await world.counters() == (0, 0)

    async def test_a_plan_that_was_lowered_keeps_slots_back(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        started = [await world.start(pipeline_id, plan=Limits(3)) for _ in range(5)]
        await world.set_plan(Limits(2))

        await world.cancel(started[0][0])
        assert await world.counters() == (4, 2)
        await world.cancel(started[1][0])

        assert await world.counters() == (3, 2)
        fake_provider.configure(latency_ms=0)
        await world.cancel(started[2][0])
        await started[4][1].until_ended()

    async def test_the_end_of_a_run_fills_two_slots_of_a_plan_that_was_raised(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        started = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(5)]
        await world.set_plan(Limits(10))

        await world.cancel(started[0][0])

        assert await world.counters() == (4, 2)


class TestRunsPerDay:
    async def test_no_more_than_the_plan_allows_start_on_a_day(self, world: World):
        pipeline_id = await world.pipeline(QUICK)
        for _ in range(2):
            await world.start(pipeline_id, plan=Limits(runs_per_day=2))

        with pytest.raises(
            PlanRunsExhausted, match=r"2 runs per day.*T00:00:00.*workspaces limits"
        ):
            await world.start(pipeline_id, plan=Limits(runs_per_day=2))

    async def test_the_next_day_begins_at_nothing(self, world: World, clock):
        pipeline_id = await world.pipeline(QUICK)
        await world.start(pipeline_id, plan=Limits(runs_per_day=1))
        clock.advance(timedelta(days=1))

        await world.start(pipeline_id, plan=Limits(runs_per_day=1))

        row = await world.workspace()
        assert (row.runs_day, row.runs_today) == (clock.now().date().isoformat(), 1)

    async def test_what_is_refused_counts_nowhere(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        await world.start(pipeline_id, plan=Limits(1, 0, 2))
        before = await world.workspace()
        run = NewRun(
            id=uuid7(),
            workspace_id=world.workspace_id,
            pipeline_id=pipeline_id,
            pipeline_version=1,
            trigger_type=TriggerType.API,
            input_data={},
            timeout=timedelta(hours=1),
            plan=Limits(1, 0, 2).plan,
            spends_credits=False,
        )

        async with world.database.transaction() as session:
            # Whoever accepts many in one transaction goes on after one is refused.
            with pytest.raises(QueueFull):
                await world.engine.accept(session, run)

        assert await world.workspace() == before

    async def test_a_plan_without_runs_refuses_the_first(self, world: World):
        pipeline_id = await world.pipeline(QUICK)

        with pytest.raises(PlanRunsExhausted):
            await world.start(pipeline_id, plan=Limits(runs_per_day=0))

    async def test_of_many_at_once_exactly_as_many_start_as_are_left(self, world: World):
        pipeline_id = await world.pipeline(QUICK)
        await world.set_plan(plan := Limits(runs_per_day=5))

        answers = await asyncio.gather(
            *(world.start(pipeline_id, plan=plan) for _ in range(12)), return_exceptions=True
        )

        assert sum(isinstance(answer, PlanRunsExhausted) for answer in answers) == 7
        assert (await world.workspace()).runs_today == 5


class TestCredits:
    async def test_a_run_that_needs_some_is_refused_when_none_are_left(self, world: World, clock):
        pipeline_id = await world.pipeline(QUICK)
        plan = Limits(credits_per_month=2)
        await _spend(world, 2_000)

        with pytest.raises(
            PlanCreditsExhausted, match=r"2 credits per month.*-01T00:00:00.*workspaces limits"
        ):
            await world.start(pipeline_id, plan=plan, spends_credits=True)

        clock.advance(timedelta(days=31))
        await world.start(pipeline_id, plan=plan, spends_credits=True)

    async def test_one_that_needs_none_still_runs(self, world: World):
        pipeline_id = await world.pipeline(QUICK)
        await _spend(world, 5_000)

        await world.start(pipeline_id, plan=Limits(credits_per_month=2), spends_credits=False)

    async def test_the_last_credit_can_be_spent_as_long_as_a_token_of_it_is_left(
        self, world: World
    ):
        pipeline_id = await world.pipeline(QUICK)
        await _spend(world, 1_999)

        await world.start(pipeline_id, plan=Limits(credits_per_month=2), spends_credits=True)

    async def test_only_models_that_the_server_pays_for_need_any(self, world: World):
        def spends(*models: str) -> bool:
            steps = ", ".join(
                f"{{id: s{n}, model: {model}, prompt: x}}" for n, model in enumerate(models)
            )
            loaded = load(f"name: X\nsteps: [{steps}]", SourceFormat.YAML)
            assert loaded.definition is not None
            return world.engine.spends_credits(loaded.definition)

        assert spends("openai/gpt-4o-mini")
        assert spends("ollama/llama3", "openai/gpt-4o-mini")
        assert not spends("ollama/llama3")
        assert not spends("unheard-of")

    async def test_a_step_without_a_model_needs_what_the_default_one_needs(self, world: World):
        loaded = load("name: X\nsteps: [{id: a, prompt: x}]", SourceFormat.YAML)
        assert loaded.definition is not None

        assert world.engine.spends_credits(loaded.definition)


class TestFill:
    async def test_waiting_runs_start_when_their_plan_is_raised(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        started = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(5)]
        await world.set_plan(Limits(4))

        async with world.database.transaction() as session:
            await world.engine.plan_changed(session, world.workspace_id)

        assert await world.counters() == (5, 4)
        await started[3][1].until("run.status", status="running")


class TestCancel:
    async def test_a_run_without_a_slot_frees_none(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        started = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(3)]

        await world.cancel(started[1][0])

        assert await world.counters() == (2, 1)

    async def test_a_run_with_a_slot_hands_it_on(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        (first, _), (_, heard) = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(2)]

        await world.cancel(first)

        await heard.until("run.status", status="running")
        assert await world.counters() == (1, 1)

    async def test_a_run_that_is_handed_a_slot_meanwhile_waits_its_turn(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        held = [await world.start(pipeline_id, plan=Limits(1)) for _ in range(2)][1][0]

        async def cancel() -> None:
            async with world.database.transaction() as session:
                await world.engine.cancel(session, world.workspace_id, held)

        async with world.database.transaction() as session:
            # What the end of a run does: first the workspace's row, then that of the run that waits.
            counted = {"admitted_runs": workspaces.c.admitted_runs}
            await session.execute(workspaces.update().values(counted))
            cancelling = asyncio.create_task(cancel())
            await until_one_waits(world.database)
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
        fake_provider.configure(latency_ms=300_000)
        crowd = [await world.start(pipeline_id, plan=Limits(5)) for _ in range(40)]
        await asyncio.wait_for(fake_provider.next_request(5), 30)
        fake_provider.configure(latency_ms=0)

        _, heard = await other.start(others_pipeline)
        await asyncio.wait_for(heard.until_ended(), 20)

        assert not any([await _has_ended(world, run) for run in crowd])


async def _cancel_if_possible(world: World, run_id: UUID) -> None:
    with suppress(RunNotCancellable):
        await world.cancel(run_id)


async def _spend(world: World, tokens: int) -> None:
    async with world.database.transaction() as session:
        await usage.count_credits(session, world.workspace_id, tokens, core_clock.now())


async def _has_ended(world: World, started: tuple[UUID, Heard]) -> bool:
    return (await world.ended(*started)).run.completed_at is not None
