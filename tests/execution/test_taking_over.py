"""Workers that take over from one another, seen from the tickets and claims."""

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from dbos._sys_db import SystemDatabase
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from stepiq.core.ids import uuid7
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.queue import recovery
from stepiq.queue import tickets as tickets_module
from stepiq.queue.backlog import oldest_runs
from stepiq.queue.dbos_threads import LANES
from stepiq.queue.tickets import TicketQueue
from stepiq.store.database import StoreUnavailable
from stepiq.store.pubsub import GAP, LocalChanges
from stepiq.store.tables import runs
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.workers import another, asking, say_that_somebody_else_has_it

TRANSFORM = """
name: Transform
steps:
  - {id: only, type: transform, template: "x"}
"""
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def say_that_this_worker_has_another(world: World) -> None:
    """Write a ticket to this worker, which has not claimed it."""
    schema = "" if world.database.is_sqlite else "dbos."
    async with world.database.transaction() as session:
        await world.engine._tickets.enqueue(session, uuid7(), 1, 1)
        await session.execute(
            sa.text(
                f"UPDATE {schema}workflow_status SET status = 'PENDING', executor_id = :executor"  # noqa: S608
            ),
            {"executor": world.engine._presence.executor_id},
        )


async def claim_for_another(world: World, run_id: UUID, **columns: object) -> None:
    async with world.database.transaction() as session:
        await session.execute(
            runs.update().where(runs.c.id == run_id).values(claim=runs.c.claim + 1, **columns)
        )


def _losing(claim: Callable[..., Any], lost: list[str]) -> Callable[..., Any]:
    def claim_and_lose_the_response(*arguments: Any, **options: Any) -> Any:
        claimed = claim(*arguments, **options)
        if claimed[0] and not lost:
            lost.extend(claimed[0])
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))
        return claimed

    return claim_and_lose_the_response


def _look_often_until_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for lost tickets all the time until one is taken back, then as often as a server does.

    The next claim can take longer than the time between two checks.
    """
    take_back, turns = TicketQueue.take_back_unstarted, loop_time.quicken(1)

    async def take_back_once(queue: TicketQueue, *arguments: Any) -> int:
        taken = await take_back(queue, *arguments)
        turns.stop()
        return taken

    monkeypatch.setattr(TicketQueue, "take_back_unstarted", take_back_once)


@pytest.fixture
async def lost_claims(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tickets of the library's next claim: it is committed, but the connection is lost before the response."""
    lost: list[str] = []
    _look_often_until_taken_back(monkeypatch)
    monkeypatch.setattr(tickets_module, "_claim", _losing(tickets_module._claim, lost))
    return lost


@pytest.fixture
async def lost_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The same, but the library knows the tickets when the response is lost."""
    lost: list[str] = []
    _look_often_until_taken_back(monkeypatch)
    losing = _losing(SystemDatabase.start_queued_workflows, lost)
    monkeypatch.setattr(SystemDatabase, "start_queued_workflows", losing)
    return lost


class TestTakeBackUnstarted:
    async def test_a_ticket_is_executed_although_the_response_to_its_claim_was_lost(
        # Before the world, whose worker claims at once.
        self,
        lost_claims: list[str],
        world: World,
        monkeypatch: pytest.MonkeyPatch,
    ):
        async def take_back_none(_: object) -> int:
            return 0

        monkeypatch.setattr(recovery.Recovery, "take_back_unstarted", take_back_none)
        run_id, heard = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)

        await asyncio.wait_for(heard.until_ended(), 60)

        ended = await world.ended(run_id, heard)
        assert lost_claims == [f"{run_id}:1"]
        assert (ended.run.status, ended.run.claim, ended.run.crashes) == ("completed", 1, 0)

    async def test_so_is_one_that_the_library_knows_and_does_not_start(
        self, lost_starts: list[str], world: World
    ):
        run_id, heard = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)

        await asyncio.wait_for(heard.until_ended(), 60)

        ended = await world.ended(run_id, heard)
        assert lost_starts == [f"{run_id}:1"]
        assert (ended.run.status, ended.run.claim, ended.run.crashes) == ("completed", 1, 0)

    async def test_without_a_failed_claim_no_ticket_counts_as_lost(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        await asking(world)
        await say_that_this_worker_has_another(world)

        assert len(await world.engine._tickets.unstarted()) == 1
        assert await world.engine._tickets.unreceived() == set()

    async def test_a_ticket_in_execution_stays_where_it_is(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        await asking(world)

        assert await world.engine._tickets.unstarted() == set()


async def unavailable(session: object) -> None:
    raise StoreUnavailable("The database did not respond.")


class TestTakeOver:
    async def test_what_a_worker_that_is_gone_had_in_hand_is_carried_on(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=100, tokens=10)
        run_id, heard = await asking(world)
        await say_that_somebody_else_has_it(world)

        assert await another(world).take_over() == 1

        await asyncio.wait_for(heard.until_ended(), 30)
        ended = await world.ended(run_id, heard)
        assert (ended.run.status, ended.run.claim) == ("completed", 2)
        assert [event.seq for event in ended.events] == list(range(1, len(ended.events) + 1))
        # The transform was recorded; the call to the model was in flight.
        assert len(fake_provider.requests) == 2
        assert len({each.headers["idempotency-key"] for each in fake_provider.requests}) == 1

    async def test_the_same_worker_stops_what_it_did_for_the_run_before(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, heard = await asking(world)
        [before] = world.engine._executing.values()
        fake_provider.configure(token_ms=0)
        await say_that_somebody_else_has_it(world)

        await another(world).take_over()

        await asyncio.wait_for(heard.until_ended(), 30)
        # The new execution may end while the old one is still closing its connection.
        await asyncio.wait({before}, timeout=30)
        assert before.cancelled()
        assert (await world.ended(run_id, heard)).run.status == "completed"

    async def test_a_run_that_comes_back_is_not_lost_before_it_is_claimed(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        """Another worker has claimed the run meanwhile, and its ticket returns while the store is unavailable."""
        fake_provider.configure(token_ms=10_000)
        run_id, heard = await asking(world)
        fake_provider.configure(token_ms=0)
        await claim_for_another(world, run_id)
        tried = asyncio.Event()
        claim = world.engine._executor._journal.claim

        async def claim_at_the_second_try(*arguments: Any, **options: Any) -> ClaimedRun | None:
            if tried.is_set():
                return await claim(*arguments, **options)
            tried.set()
            raise StoreUnavailable("The database did not respond.")

        monkeypatch.setattr(world.engine._executor._journal, "claim", claim_at_the_second_try)
        await say_that_somebody_else_has_it(world)
        await another(world).take_over()
        await asyncio.wait_for(tried.wait(), 30)

        await another(world).let_go(world.engine._claims, world.engine.let_go)

        await asyncio.wait_for(heard.until_ended(), 30)
        assert (await world.ended(run_id, heard)).run.claim == 3

    @only_postgresql
    async def test_who_lost_its_ticket_in_an_outage_does_not_claim_the_run_again(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world, has_ticket=True)
        await say_that_somebody_else_has_it(world)

        claimed = await world.engine._executor._journal.claim(run_id, again=True)

        assert claimed is None
        async with world.database.reading() as session:
            kept = await session.scalar(sa.select(runs.c.claim).where(runs.c.id == run_id))
        assert kept == 1

    async def test_who_is_gone_for_a_moment_only_keeps_what_it_has(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=100, tokens=10)
        _, heard = await asking(world)
        await say_that_somebody_else_has_it(world)
        taking = another(world)

        assert await taking.take_over(grace_seconds=60) == 0

        taking._absences._since = {"worker-0": -60.0}
        assert await taking.take_over(grace_seconds=60) == 1
        await asyncio.wait_for(heard.until_ended(), 30)

    async def test_an_outage_of_the_store_does_not_count_as_gone(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(token_ms=100, tokens=10)
        _, heard = await asking(world)
        await say_that_somebody_else_has_it(world)
        taking = another(world)
        # Only `taking` is to take the tickets over.
        monkeypatch.setattr(recovery, "GRACE_SECONDS", 600.0)
        now = asyncio.get_running_loop().time()
        taking._absences.note(["worker-0"], now - 102, -math.inf)
        taking._absences.note(["worker-0"], now - 100, -math.inf)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.engine._tickets, "holders", unavailable)
            with pytest.raises(StoreUnavailable):
                await taking.take_over(grace_seconds=1)

        assert await taking.take_over(grace_seconds=60) == 0
        assert await taking.take_over(grace_seconds=1) == 1
        await asyncio.wait_for(heard.until_ended(), 30)

    async def test_nobody_is_gone_when_nobody_has_anything(self, world: World):
        assert await another(world).take_over() == 0

    async def test_listeners_look_for_what_was_not_told(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=100, tokens=10)
        _, heard = await asking(world)
        await say_that_somebody_else_has_it(world)
        changes = LocalChanges()

        async with changes.subscribe("anything") as subscription:
            await another(world, changes).take_over()

            assert await subscription.next() is GAP
            assert subscription.missed
        await asyncio.wait_for(heard.until_ended(), 30)


class TestLetGo:
    async def test_a_run_that_another_worker_claimed_is_left_to_it(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)
        task = world.engine._executing[run_id]

        with capture_logs() as logs:
            await claim_for_another(world, run_id)
            await another(world).let_go(world.engine._claims, world.engine.let_go)
            await asyncio.wait({task}, timeout=20)

        assert task.cancelled()
        assert run_id not in world.engine._cancelled
        lost = [line["run_id"] for line in logs if line["event"] == "run_claim_lost"]
        assert lost == [str(run_id)]

    async def test_so_is_one_that_was_cancelled_without_word_of_it(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)
        task = world.engine._executing[run_id]
        async with world.database.transaction() as session:
            await world.engine.cancel(session, world.workspace_id, run_id)
            session._after_commit.clear()

        await another(world).let_go(world.engine._claims, world.engine.let_go)
        await asyncio.wait({task}, timeout=20)

        assert task.cancelled()

    async def test_workers_find_such_a_run_themselves(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=30_000)
        run_id, _ = await asking(world)
        task = world.engine._executing[run_id]

        async with world.database.transaction() as session:
            await world.engine.cancel(session, world.workspace_id, run_id)
            # As after a flush that failed: the cancel is visible, but not confirmed.
            session._after_commit.clear()
        await asyncio.wait({task}, timeout=10)

        assert task.cancelled()

    async def test_what_is_still_this_workers_goes_on(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=100, tokens=10)
        run_id, heard = await asking(world)

        await another(world).let_go(world.engine._claims, world.engine.let_go)

        await asyncio.wait_for(heard.until_ended(), 30)
        assert (await world.ended(run_id, heard)).run.claim == 1
        for _ in range(100):
            await asyncio.sleep(0)
        assert world.engine._claims == {}

    async def test_the_tokens_of_a_cancelled_call_count_even_if_it_is_noticed_twice(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, heard = await asking(world)
        task, journal = world.engine._executing[run_id], world.engine._journal
        count, counting, may_count = journal.count_cancelled, asyncio.Event(), asyncio.Event()

        async def count_slowly(run: ClaimedRun, record: StepRecord) -> None:
            counting.set()
            await may_count.wait()
            await count(run, record)

        monkeypatch.setattr(journal, "count_cancelled", count_slowly)
        async with world.database.transaction() as session:
            await world.engine.cancel(session, world.workspace_id, run_id)
        await asyncio.wait_for(counting.wait(), 20)

        await another(world).let_go(world.engine._claims, world.engine.let_go)
        may_count.set()
        await asyncio.wait({task}, timeout=20)

        assert (await world.ended(run_id, heard)).run.output_tokens > 0

    async def test_it_stops_a_run_only_once(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)

        assert world.engine.let_go(run_id, False)
        assert not world.engine.let_go(run_id, False)
        assert world.engine._executing[run_id].cancelling() == 1

    async def test_a_run_that_is_not_executed_is_not_stopped(self, world: World):
        assert not world.engine.let_go(uuid7(), False)


class TestRunForEver:
    @only_postgresql
    async def test_it_goes_on_whatever_happens(self, world: World, monkeypatch: pytest.MonkeyPatch):
        loop_time.quicken(1)
        faults: list[Exception] = [StoreUnavailable("No answer."), RuntimeError("a fault of ours")]
        again = asyncio.Event()
        watching = another(world)

        async def take_over(grace_seconds: float) -> int:
            if faults:
                raise faults.pop()
            again.set()
            return 0

        monkeypatch.setattr(watching, "take_over", take_over)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine.let_go))

        await asyncio.wait_for(again.wait(), 20)

        task.cancel()

    @only_postgresql
    async def test_it_takes_over_when_the_grace_period_ends_and_not_at_its_next_turn(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        async def leave_it_to_another(grace_seconds: float) -> int:
            return 0

        monkeypatch.setattr(world.engine._recovery, "take_over", leave_it_to_another)
        # The turns of a second.
        loop_time.hold(1)
        monkeypatch.setattr(recovery, "GRACE_SECONDS", 0.5)
        fake_provider.configure(token_ms=10_000)
        _, heard = await asking(world)
        fake_provider.configure(token_ms=0)
        await say_that_somebody_else_has_it(world)
        changes = LocalChanges()
        watching = another(world, changes)
        assert await watching.take_over(recovery.GRACE_SECONDS) == 0

        async with changes.subscribe("anything") as subscription:
            task = asyncio.create_task(watching.run_for_ever({}, world.engine.let_go))
            assert await asyncio.wait_for(subscription.next(), 30) is GAP

        task.cancel()
        await asyncio.wait_for(heard.until_ended(), 30)


class TestStop:
    async def test_what_a_stopping_worker_leaves_waits_for_whoever_comes(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        await asking(world)

        await world.engine.stop(drain=timedelta(0))

        async with world.database.reading() as session:
            assert await world.engine._tickets.holders(session) == set()

    async def test_a_worker_that_lets_its_work_end_claims_no_other_run(self, world: World):
        await world.engine._tickets.close(20)

        run_id, _ = await world.start(await world.pipeline(TRANSFORM))
        LANES.wake()

        async with world.database.reading() as session:
            assert list(await oldest_runs(session, 10)) == [run_id]
            assert await world.engine._tickets.holders(session) == set()

    async def test_it_returns_a_ticket_that_it_claimed_and_does_not_execute(
        # Before the world, whose worker claims at once.
        self,
        lost_claims: list[str],
        world: World,
    ):
        run_id, _ = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)
        while not lost_claims:  # noqa: ASYNC110 - the library tells nobody
            await asyncio.sleep(0.01)

        await world.engine._tickets.close(20)

        assert lost_claims == [f"{run_id}:1"]
        async with world.database.reading() as session:
            assert await world.engine._tickets.holders(session) == set()

    async def test_without_a_database_it_stops_all_the_same(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(TicketQueue, "unstarted", _unavailable)

        await world.engine.stop()

        assert not world.engine.is_ready


async def _unavailable(_: TicketQueue) -> set[str]:
    raise StoreUnavailable("The database cannot be reached.")
