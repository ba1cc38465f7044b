"""Runs whose worker dies again and again."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.engine.journal import Entry
from stepiq.engine.presence import presence_of
from stepiq.engine.records import ClaimedRun, StepRecord
from stepiq.engine.recovery import Recovery
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import StepStatus
from stepiq.store.tables import runs
from tests.support.engine import Heard, World
from tests.support.fake_provider import RunningFakeProvider

ASK = """
name: Ask
steps:
  - {id: before, type: transform, template: "x"}
  - {id: ask, model: openai/gpt-4o-mini, prompt: "{{steps.before.output}}"}
"""

CRASH_LIMIT = 3
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


async def record(world: World, run: ClaimedRun, status: StepStatus) -> None:
    """Record a step of a run, with a row of its own."""
    now = clock.now()
    step = StepRecord(
        id=uuid7(),
        step_id="before",
        name="before",
        type="transform",
        ordinal=1,
        status=status,
        started_at=now,
        completed_at=now if status is StepStatus.COMPLETED else None,
    )
    await world.engine._journal.write(run, Entry(steps=[step]))


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
        assert "died or stopped responding 3 times in a row" in run.error["message"]
        assert str(run_id) in run.error["message"]
        assert fake_provider.requests == []
        assert await world.counters() == (0, 0)

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
        monkeypatch.setattr("stepiq.engine.runtime._STORE_RETRY_SECONDS", 0.01)
        journal = world.engine._journal
        write, outages = journal.write, list(range(CRASH_LIMIT + 1))

        async def write_in_an_outage(run: ClaimedRun, entry: Entry) -> None:
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

        await recovery(world).let_go(
            {run_id: ours.claim}, lambda run_id, is_cancelled: True, was_held=was_held
        )

        assert await crashes(world, run_id) == counted

    async def test_it_takes_a_crash_back_only_once(self, world: World, accepted: Accepted):
        run_id, _ = accepted
        await die_under(world, run_id)
        ours = await die_under(world, run_id)
        await die_under(world, run_id)
        is_first = iter([True, False])

        for _ in range(2):
            await recovery(world).let_go(
                {run_id: ours.claim}, lambda run_id, is_cancelled: next(is_first)
            )

        assert await crashes(world, run_id) == 1

    async def test_a_claim_whose_commit_is_unknown_is_not_a_crash(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("stepiq.engine.runtime._STORE_RETRY_SECONDS", 0.01)
        journal = world.engine._journal
        claim, claimed = journal.claim, list[ClaimedRun | None]()

        async def claim_without_answer(run_id: UUID, *, again: bool) -> ClaimedRun | None:
            claimed.append(await claim(run_id, again=again))
            if len(claimed) == 1:
                raise StoreUnavailable("The database did not answer.")
            return claimed[-1]

        monkeypatch.setattr(journal, "claim", claim_without_answer)

        await world.run(ASK)

        assert [run and run.crashes for run in claimed] == [0, 0]

    async def test_without_a_limit_it_is_taken_up_again(self, world: World, accepted: Accepted):
        run_id, heard = accepted
        world.engine._executor._crash_limit = 0
        for _ in range(CRASH_LIMIT * 2):
            await die_under(world, run_id)

        await world.engine.start()
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.status == "completed"
