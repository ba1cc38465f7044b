"""What the engine does for deliveries: their tickets, in the transaction that ends a run, on a queue of their own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock, ids
from stepiq.core.http import GuardedClient
from stepiq.execution.journal.retention import sweep
from stepiq.execution.records.run import ClaimedRun, Ending, NewDelivery, NewReview
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.queue.ticket import Queue
from stepiq.store.database import Database, Session
from stepiq.store.pubsub import LocalChanges
from stepiq.store.tables import deliveries
from tests.support.engine import World, WorldPlans

pytestmark = pytest.mark.both_stores

TRANSFORM = "name: T\nsteps: [{id: t, type: transform, template: x}]"
BROKEN = "name: T\nsteps: [{id: t, type: transform, template: '{{input.a.b}}'}]"


class Recorder:
    """Wants one delivery for each run, and records what it is asked to do."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.endings: list[tuple[UUID, str]] = []
        self.asked: asyncio.Queue[UUID] = asyncio.Queue()
        self.holds = False
        """Until the process stops."""

    async def run_ended(
        self, session: Session, run: ClaimedRun, ending: Ending
    ) -> list[NewDelivery]:
        self.endings.append((run.id, ending.status))
        delivery_id = ids.uuid7()
        await session.execute(
            deliveries.insert().values(
                id=delivery_id,
                workspace_id=run.workspace_id,
                pipeline_id=run.pipeline_id,
                pipeline_version=run.pipeline_version,
                run_id=run.id,
                event="pipeline.run.completed",
                target_type="webhook",
                target_path="output.deliver[0]",
                target={"type": "webhook", "url": "https://example.com"},
                status="pending",
                created_at=clock.now(),
            )
        )
        return [NewDelivery(delivery_id, priority=1)]

    async def review_requested(
        self, session: Session, run: ClaimedRun, review: NewReview
    ) -> list[NewDelivery]:
        return []

    async def deliver(self, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        self.asked.put_nowait(delivery_id)
        if self.holds:
            await stopping.wait()
            return False
        return True

    async def settle(self, delivery_id: UUID) -> None:
        async with self.database.transaction() as session:
            await session.execute(
                deliveries.update()
                .where(deliveries.c.id == delivery_id)
                .values(status="delivered", completed_at=clock.now())
            )


@pytest.fixture
def outbox(database: Database) -> Recorder:
    return Recorder(database)


@pytest.fixture
async def engine(
    database: Database,
    changes: LocalChanges,
    providers: Providers,
    http: GuardedClient,
    outbox: Recorder,
) -> AsyncIterator[Engine]:
    engine = Engine(database, changes, providers, WorldPlans(), http, outbox=outbox)
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


class TestRunEnded:
    @pytest.mark.parametrize(("source", "status"), [(TRANSFORM, "completed"), (BROKEN, "failed")])
    async def test_what_a_run_leaves_gets_its_ticket_with_the_run_s_end(
        self, world: World, outbox: Recorder, source: str, status: str
    ):
        ended = await world.run(source)

        delivery_id = await asyncio.wait_for(outbox.asked.get(), 10)

        assert outbox.endings == [(ended.run.id, status)]
        async with world.database.reading() as session:
            found = await session.scalar(
                sa.select(deliveries.c.id).where(deliveries.c.run_id == ended.run.id)
            )
        assert found == delivery_id

    async def test_what_the_engine_is_told_to_send_again_is_asked_for_again(
        self, world: World, outbox: Recorder
    ):
        await world.run(TRANSFORM)
        delivery_id = await asyncio.wait_for(outbox.asked.get(), 10)

        async with world.database.transaction() as session:
            await world.engine.send(session, [NewDelivery(delivery_id, priority=1, ticket=2)])

        assert await asyncio.wait_for(outbox.asked.get(), 10) == delivery_id


class TestStop:
    async def test_a_delivery_that_is_not_done_is_asked_for_after_the_next_start(
        self, world: World, outbox: Recorder
    ):
        outbox.holds = True
        await world.run(TRANSFORM)
        delivery_id = await asyncio.wait_for(outbox.asked.get(), 10)

        await world.engine.stop()
        outbox.holds = False
        await world.engine.start()

        assert await asyncio.wait_for(outbox.asked.get(), 10) == delivery_id

    async def test_no_delivery_begins_while_the_engine_stops(self, world: World, outbox: Recorder):
        await world.engine.stop()

        with pytest.raises(asyncio.CancelledError):
            await world.engine._deliver(ids.uuid7())

        assert outbox.asked.empty()


class TestSweep:
    async def test_a_delivery_that_its_ticket_left_behind_gets_another(
        self, world: World, outbox: Recorder
    ):
        await world.run(TRANSFORM)
        delivery_id = await asyncio.wait_for(outbox.asked.get(), 10)
        await _finished(world)

        swept = await sweep(world.database, world.engine._tickets)

        assert swept >= 1
        assert await asyncio.wait_for(outbox.asked.get(), 10) == delivery_id
        async with world.database.reading() as session:
            assert await session.scalar(sa.select(deliveries.c.ticket)) == 2

    async def test_tickets_of_settled_deliveries_are_forgotten(
        self, world: World, outbox: Recorder
    ):
        await world.run(TRANSFORM)
        await outbox.settle(await asyncio.wait_for(outbox.asked.get(), 10))
        await _finished(world)

        await sweep(world.database, world.engine._tickets)

        assert await world.engine._tickets.finished(10, Queue.DELIVERIES) == []
        assert outbox.asked.empty()


async def _finished(world: World) -> None:
    """Until the queue has noted the delivery's ticket as done, which it does a moment after the delivery itself."""
    while not await world.engine._tickets.finished(1, Queue.DELIVERIES):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
