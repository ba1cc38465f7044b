"""Runs whose worker dies again and again."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.execution.journal.writing import ClaimLost, JournalEntry
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.execution.scope import branch_state
from stepiq.queue.recovery import Recovery
from stepiq.queue.worker_lease import presence_of
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import StepStatus
from stepiq.store.tables import runs
from tests.support import loop_time
from tests.support.engine import Heard, World
from tests.support.fake_provider import RunningFakeProvider

ASK = """
name: Ask
steps:
  - {id: before, type: transform, template: "x"}
  - {id: ask, model: openai/gpt-4o-mini, prompt: "{{steps.before.output}}"}
"""

CRASH_LIMIT = 3
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
Accepted = tuple[UUID, Heard]


@pytest.fixture
async def accepted(world: World) -> Accepted:
    """A run that no worker has taken up so far; the engine is stopped."""
    await world.engine.stop(drain=timedelta(0))
    return await world.start(await world.pipeline(ASK))


async def die_under(world: World, run_id: UUID) -> ClaimedRun:
    """Claim a run as a process does that dies right after."""
    run = await world.engine._journal.claim(run_id)
    assert run is not None
    return run


async def crashes(world: World, run_id: UUID) -> int:
    async with world.database.reading() as session:
        return await session.scalar(sa.select(runs.c.crashes).where(runs.c.id == run_id)) or 0


def before(status: StepStatus) -> StepRecord:
    """A step of a run, with a row of its own."""
    now = clock.now()
    return StepRecord(
        id=uuid7(),
        step_id="before",
        name="before",
        type="transform",
        ordinal=1,
        status=status,
        started_at=now,
        completed_at=now if status is StepStatus.COMPLETED else None,
    )


async def record(world: World, run: ClaimedRun, status: StepStatus) -> None:
    """Record a step of a run."""
    await world.engine._journal.write(run, JournalEntry(steps=[before(status)]))


async def progress_before_each_crash(world: World, run_id: UUID, crashes: int) -> None:
    """Let processes claim a run and die, each after it has recorded a step as completed."""
    step = before(StepStatus.COMPLETED)
    for _ in range(crashes):
        run = await die_under(world, run_id)
        await world.engine._journal.write(run, JournalEntry(steps=[step]))


async def lose_claim_at_a_write(
    world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
) -> UUID:
    """Claim a run for another worker while a model answers, so that the next write finds it."""

    async def look_later(*arguments: object, **options: object) -> None:
        """Let the write find it first."""

    monkeypatch.setattr(world.engine._recovery, "let_go", look_later)
    fake_provider.configure(token_ms=100, tokens=10)
    run_id, heard = await world.start(await world.pipeline(ASK))
    await heard.until("step.delta")
    task = world.engine._executing[run_id]
    await die_under(world, run_id)
    await asyncio.wait({task}, timeout=10)
    assert task.done()
    return run_id


def recovery(world: World) -> Recovery:
    presence = presence_of(world.database)
    return Recovery(world.database, world.changes, world.engine._tickets, presence)


class TestPoisoned:
    async def test_a_run_that_has_lost_its_process_three_times_fails(
        self, world: World, accepted: Accepted, fake_provider: RunningFakeProvider
    ):
        run_id, heard = accepted
        for _ in range(CRASH_LIMIT):
            await die_under(world, run_id)

        await world.engine.start()
        await heard.until_ended()

        run = (await world.ended(run_id, heard)).run
        assert (run.status, run.error["code"]) == ("failed", "poisoned")
        assert "died or stopped responding 3 times, 3 of them in a row" in run.error["message"]
        assert str(run_id) in run.error["message"]
        assert fake_provider.requests == []
        assert await world.counters() == (0, 0)

    async def test_a_run_that_finishes_a_step_before_each_crash_fails_in_the_end(
        self, world: World, accepted: Accepted, fake_provider: RunningFakeProvider
    ):
        run_id, heard = accepted
        await progress_before_each_crash(world, run_id, CRASH_LIMIT * 10)

        await world.engine.start()
        await heard.until_ended()

        run = (await world.ended(run_id, heard)).run
        assert (run.status, run.error["code"]) == ("failed", "poisoned")
        assert "30 times, 1 of them in a row" in run.error["message"]
        assert fake_provider.requests == []

    async def test_a_long_run_survives_many_crashes_with_progress_between(
        self, world: World, accepted: Accepted
    ):
        run_id, heard = accepted
        await progress_before_each_crash(world, run_id, CRASH_LIMIT * 10 - 1)

        await world.engine.start()
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.status == "completed"

    async def test_the_step_in_progress_fails_with_it(self, world: World, accepted: Accepted):
        run_id, heard = accepted
        for _ in range(CRASH_LIMIT - 1):
            await die_under(world, run_id)
        await record(world, await die_under(world, run_id), StepStatus.RUNNING)

        await world.engine.start()
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["step_id"] == "before"
        assert ended.steps["before"].error["code"] == "poisoned"
        assert branch_state(ended.steps["before"])["status"] == "failed"

    async def test_fewer_crashes_do_no_harm(self, world: World, accepted: Accepted):
        run_id, heard = accepted
        for _ in range(CRASH_LIMIT - 1):
            await die_under(world, run_id)

        await world.engine.start()
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.status == "completed"
        assert await crashes(world, run_id) == 0

    async def test_a_finished_step_starts_the_count_again(self, world: World, accepted: Accepted):
        run_id, _ = accepted
        await die_under(world, run_id)
        run = await die_under(world, run_id)
        await record(world, run, StepStatus.COMPLETED)

        counted = [(await die_under(world, run_id)).crashes for _ in range(2)]

        assert counted == [1, 2]

    async def test_three_crashes_after_a_finished_step_are_enough(
        self, world: World, accepted: Accepted
    ):
        run_id, heard = accepted
        await record(world, await die_under(world, run_id), StepStatus.COMPLETED)
        for _ in range(CRASH_LIMIT - 1):
            await die_under(world, run_id)

        await world.engine.start()
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.error["code"] == "poisoned"

    async def test_a_step_that_only_begins_does_not(self, world: World, accepted: Accepted):
        run_id, _ = accepted
        run = await die_under(world, run_id)
        await record(world, run, StepStatus.RUNNING)

        assert (await die_under(world, run_id)).crashes == 1

    async def test_a_worker_that_stops_in_order_is_not_a_crash(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=60_000)
        run_id, _ = await world.start(await world.pipeline(ASK))
        for number in range(1, CRASH_LIMIT + 2):
            await fake_provider.next_request(number)
            await world.engine.stop(drain=timedelta(0))
            await world.engine.start()
        await fake_provider.next_request(CRASH_LIMIT + 2)

        assert await crashes(world, run_id) == 0

    async def test_an_outage_of_the_store_is_not_a_crash(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        loop_time.quicken(1)
        journal = world.engine._journal
        write, outages = journal.write, list(range(CRASH_LIMIT + 1))

        async def write_in_an_outage(run: ClaimedRun, entry: JournalEntry) -> None:
            if outages:
                outages.pop()
                raise StoreUnavailable("The database did not answer.")
            assert run.crashes == 0
            await write(run, entry)

        monkeypatch.setattr(journal, "write", write_in_an_outage)

        ended = await world.run(ASK)

        assert ended.run.status == "completed"
        assert ended.run.claim == CRASH_LIMIT + 2

    @pytest.mark.parametrize(("was_held", "counted"), [(False, 0), (True, 1)])
    async def test_a_worker_that_lives_takes_its_crash_back_unless_it_was_held(
        self, world: World, accepted: Accepted, was_held: bool, counted: int
    ):
        run_id, _ = accepted
        ours = await die_under(world, run_id)
        await die_under(world, run_id)

        watching = recovery(world)
        if was_held:
            watching._seen_at = asyncio.get_running_loop().time() - 60
        await watching.let_go({run_id: ours.claim}, lambda run_id, is_cancelled: True)
        await watching.take_crashes_back()

        assert await crashes(world, run_id) == counted

    async def test_it_takes_a_crash_back_only_once(self, world: World, accepted: Accepted):
        run_id, _ = accepted
        await die_under(world, run_id)
        ours = await die_under(world, run_id)
        await die_under(world, run_id)
        is_first = iter([True, False])
        watching = recovery(world)

        for _ in range(2):
            await watching.let_go({run_id: ours.claim}, lambda run_id, is_cancelled: next(is_first))
            await watching.take_crashes_back()

        assert await crashes(world, run_id) == 1

    async def test_it_takes_its_crash_back_after_progress_of_the_other_worker(
        self, world: World, accepted: Accepted
    ):
        run_id, _ = accepted
        ours = await die_under(world, run_id)
        theirs = await die_under(world, run_id)
        await record(world, theirs, StepStatus.COMPLETED)
        watching = recovery(world)

        await watching.let_go({run_id: ours.claim}, lambda run_id, is_cancelled: True)
        await watching.take_crashes_back()

        next_claim = await die_under(world, run_id)
        assert (next_claim.crashes, next_claim.crashes_in_total) == (1, 1)

    async def test_a_crash_is_taken_back_when_the_store_answers_again(
        self, world: World, accepted: Accepted, monkeypatch: pytest.MonkeyPatch
    ):
        run_id, _ = accepted
        ours = await die_under(world, run_id)
        await die_under(world, run_id)
        watching = recovery(world)
        await watching.let_go({run_id: ours.claim}, lambda run_id, is_cancelled: True)

        def unavailable(patience: float):
            raise StoreUnavailable("The database did not answer.")

        with monkeypatch.context() as outage:
            outage.setattr(world.database, "transaction", unavailable)
            with pytest.raises(StoreUnavailable):
                await watching.take_crashes_back()
        await watching.take_crashes_back()

        assert await crashes(world, run_id) == 0

    async def test_the_crash_of_a_cancelled_run_is_left_alone(
        self, world: World, accepted: Accepted
    ):
        run_id, _ = accepted
        await die_under(world, run_id)
        ours = await die_under(world, run_id)
        watching = recovery(world)
        async with world.database.transaction() as session:
            await world.engine.cancel(session, world.workspace_id, run_id)

        await watching.let_go({run_id: ours.claim}, lambda run_id, is_cancelled: True)
        await watching.take_crashes_back()

        assert await crashes(world, run_id) == 1

    @only_postgresql
    async def test_claims_that_are_lost_at_a_write_do_not_poison_a_run(
        self, world: World, accepted: Accepted, fake_provider: RunningFakeProvider
    ):
        run_id, heard = accepted
        watching = recovery(world)
        for _ in range(CRASH_LIMIT + 1):
            ours = await die_under(world, run_id)
            await die_under(world, run_id)
            with pytest.raises(ClaimLost):
                await record(world, ours, StepStatus.RUNNING)
            watching.claim_lost(run_id, ours.claim)
            await watching.take_crashes_back()
            # The worker that took the run over stops in order.
            await world.engine._journal.release({run_id: ours.claim + 1}, 5)

        await world.engine.start()
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.status == "completed"

    @only_postgresql
    async def test_a_worker_that_loses_its_claim_at_a_write_takes_its_crash_back(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        run_id = await lose_claim_at_a_write(world, fake_provider, monkeypatch)

        await world.engine._recovery.take_crashes_back()

        assert await crashes(world, run_id) == 0
        assert run_id not in world.engine._claims

    @only_postgresql
    async def test_it_stays_counted_if_the_worker_was_held(self, world: World, accepted: Accepted):
        run_id, _ = accepted
        ours = await die_under(world, run_id)
        await die_under(world, run_id)
        watching = recovery(world)
        watching._seen_at = asyncio.get_running_loop().time() - 60

        watching.claim_lost(run_id, ours.claim)
        await watching.take_crashes_back()

        assert await crashes(world, run_id) == 1

    async def test_a_claim_whose_commit_is_unknown_is_not_a_crash(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        loop_time.quicken(1)
        journal = world.engine._journal
        claim, claimed = journal.claim, list[ClaimedRun | None]()

        async def claim_without_answer(run_id: UUID, *, again: bool) -> ClaimedRun | None:
            claimed.append(await claim(run_id, again=again))
            if len(claimed) == 1:
                raise StoreUnavailable("The database did not answer.")
            return claimed[-1]

        monkeypatch.setattr(journal, "claim", claim_without_answer)

        _, heard = await world.start(await world.pipeline(ASK), has_ticket=True)
        await asyncio.wait_for(heard.until_ended(), 30)

        assert [run and run.crashes for run in claimed] == [0, 0]

    async def test_without_a_limit_it_is_taken_up_again(self, world: World, accepted: Accepted):
        run_id, heard = accepted
        world.engine._executor._crash_limit = 0
        for _ in range(CRASH_LIMIT * 2):
            await die_under(world, run_id)

        await world.engine.start()
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.status == "completed"
