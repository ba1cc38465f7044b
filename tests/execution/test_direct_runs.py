"""Runs that the worker which accepts them begins in the same transaction, without a ticket."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.queue import dbos_threads, direct_runs
from stepiq.queue import tickets as tickets_module
from stepiq.queue.backlog import oldest_runs
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs, workspaces
from tests.support.engine import Limits, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.watched_sql import watched
from tests.support.workers import ASK, another, asking, say_that_somebody_else_has_it

pytestmark = pytest.mark.both_stores

TRANSFORM = """
name: Transform
steps:
  - {id: only, type: transform, template: "x"}
"""


async def tickets(world: World) -> int:
    """The number of tickets that the queue has or had."""
    schema = "" if world.database.is_sqlite else "dbos."
    async with world.database.reading() as session:
        found = await session.execute(sa.text(f"SELECT count(*) FROM {schema}workflow_status"))  # noqa: S608
        return found.scalar_one()


async def of_this_worker(world: World) -> set[UUID]:
    async with world.database.reading() as session:
        return await direct_runs.of_worker(session, world.engine.worker_name)


class TestBeginning:
    async def test_a_run_begins_without_a_ticket(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)

        run_id, _ = await asking(world)

        assert await of_this_worker(world) == {run_id}
        assert await tickets(world) == 0

    async def test_it_ends_as_any_other(self, world: World):
        run_id, heard = await world.start(await world.pipeline(TRANSFORM))
        await asyncio.wait_for(heard.until_ended(), 30)

        run = (await world.ended(run_id, heard)).run
        assert (run.status, run.claim, run.crashes) == ("completed", 1, 0)
        assert await of_this_worker(world) == set()
        assert await world.counters() == (0, 0)

    async def test_an_idle_run_of_one_step_takes_two_transactions(self, world: World):
        pipeline_id = await world.pipeline(TRANSFORM)
        # The first run loads what the others use.
        _, heard = await world.start(pipeline_id)
        await asyncio.wait_for(heard.until_ended(), 30)
        written: list[str] = []

        def note(_: object, sql: str, __: object) -> None:
            # The pool of PostgreSQL checks connections that were idle with SELECT 1.
            if sql.startswith(("INSERT", "UPDATE", "DELETE", "WITH", "COMMIT", "SELECT runs")):
                written.append(sql.split()[0])

        with watched(note):
            _, heard = await world.start(pipeline_id)
            await asyncio.wait_for(heard.until_ended(), 30)

        accepting = (
            ["UPDATE", "INSERT", "INSERT"] if world.database.is_sqlite else ["UPDATE", "WITH"]
        )
        ending = ["SELECT", "UPDATE", "INSERT", "INSERT", "UPDATE", "INSERT"]
        assert written == [*accepting, "COMMIT", *ending, "COMMIT"]

    async def test_its_first_events_say_that_it_was_accepted_and_began(self, world: World):
        run_id, heard = await world.start(await world.pipeline(TRANSFORM))
        await asyncio.wait_for(heard.until_ended(), 30)

        ended = await world.ended(run_id, heard)

        assert [event.data["status"] for event in ended.events if event.type == "run.status"] == [
            "pending",
            "running",
            "completed",
        ]
        assert ended.events[1].data["started_at"] is not None

    async def test_a_failed_transaction_begins_nothing(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run = world.new_run(await world.pipeline(ASK))

        with suppress(LookupError):
            async with world.database.transaction() as session:
                await world.engine.accept(session, run)
                raise LookupError
        await world.run(TRANSFORM)

        assert fake_provider.requests == []


class TestTickets:
    async def test_a_worker_that_holds_its_backlog_enqueues_the_run(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)

        await asking(world, has_ticket=True)

        assert await of_this_worker(world) == set()
        assert await tickets(world) == 1

    async def test_no_run_overtakes_one_that_has_a_ticket(self, world: World):
        pipeline_id = await world.pipeline(TRANSFORM)
        first, second = world.new_run(pipeline_id), world.new_run(pipeline_id)

        async with world.database.transaction() as session:
            with world.engine.holding_backlog():
                await world.engine.accept(session, first)
            await world.engine.accept(session, second)
            started = await direct_runs.of_worker(session, world.engine.worker_name)

        assert started == set()

    async def test_a_run_without_a_slot_waits_for_one(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        running, _ = await world.start(
            await world.pipeline(ASK),
            plan=Limits(runs_at_once=1),
        )

        held, _ = await world.start(await world.pipeline(TRANSFORM), plan=Limits(runs_at_once=1))

        assert await of_this_worker(world) == {running}
        async with world.database.reading() as session:
            row = await session.execute(sa.select(runs.c.ticket).where(runs.c.id == held))
        assert row.scalar_one() == 0


class TestRoom:
    AT_ONCE = 4

    @pytest.fixture(autouse=True)
    def without_polls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tickets_module, "CONCURRENCY", self.AT_ONCE)
        monkeypatch.setattr(dbos_threads, "POLL_SECONDS", 300.0)

    async def test_runs_with_tickets_begin_when_half_of_the_others_have_ended(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        begun = [(await asking(world))[0] for _ in range(self.AT_ONCE)]
        _, waiting = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)
        _, next_one = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)

        for run_id in begun[: self.AT_ONCE // 2]:
            await world.cancel(run_id)

        await asyncio.wait_for(waiting.until_ended(), 60)
        await asyncio.wait_for(next_one.until_ended(), 60)


class TestTakingOver:
    async def test_another_worker_gives_the_run_a_ticket(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        await asking(world)
        await say_that_somebody_else_has_it(world)

        assert await another(world).take_over() == 1

        assert await of_this_worker(world) == set()
        assert await tickets(world) == 1

    async def test_a_run_that_never_began_gets_a_ticket(self, world: World):
        """For example, the response to the commit that accepted it was lost."""
        run_id, heard = await world.start(
            await world.pipeline(TRANSFORM), plan=Limits(runs_at_once=0)
        )
        async with world.database.transaction() as session:
            await session.execute(
                runs.update()
                .where(runs.c.id == run_id)
                .values(
                    status=RunStatus.RUNNING,
                    started_at=clock.now(),
                    claim=1,
                    is_claimed=True,
                    ticket=1,
                    executor=world.engine.worker_name,
                )
            )
            await session.execute(workspaces.update().values(admitted_runs=1))
        recovery = another(world)

        assert [await recovery.take_back_unstarted() for _ in range(2)] == [0, 1]

        await asyncio.wait_for(heard.until_ended(), 30)
        assert (await world.ended(run_id, heard)).run.status == "completed"

    async def test_a_worker_that_stops_leaves_a_ticket(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)

        await world.engine.stop(drain=timedelta(0))

        assert await tickets(world) == 1
        async with world.database.reading() as session:
            assert list(await oldest_runs(session, 10)) == [run_id]


class TestOverview:
    async def test_the_oldest_runs_and_the_workers_include_them(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)

        async with world.database.reading() as session:
            assert list(await oldest_runs(session, 10)) == [run_id]
            [worker] = await world.engine.workers(session)
        assert (worker.name, worker.runs) == (world.engine.worker_name, 1)
