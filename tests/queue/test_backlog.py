from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import ids
from stepiq.core.http import GuardedClient
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.queue import backlog
from stepiq.queue.ticket import Queue
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.store.tables import runs
from tests.support.make import Make
from tests.support.query_plans import query_plan

pytestmark = pytest.mark.both_stores


@pytest.fixture
async def engine(
    database: Database, changes: LocalChanges, providers: Providers, http: GuardedClient
) -> AsyncIterator[Engine]:
    """An engine that takes nothing from its queues."""
    engine = Engine(database, changes, providers, Plans.load({}), http)
    yield engine
    await engine.stop()


async def read(database: Database) -> backlog.Backlog:
    async with database.reading() as session:
        return await backlog.read(session)


async def enqueue(database: Database, engine: Engine, number: int) -> None:
    """That many tickets of one workspace."""
    async with database.transaction() as session:
        wanted = [(ids.uuid7(), 1, position) for position in range(1, number + 1)]
        await engine._tickets.enqueue_many(session, wanted)


async def age(database: Database, seconds: int) -> None:
    """Have everything in the queues come that much earlier."""
    table = "workflow_status" if database.is_sqlite else "dbos.workflow_status"
    async with database.transaction() as session:
        await session.execute(
            sa.text(f"UPDATE {table} SET created_at = created_at - {seconds * 1000}")  # noqa: S608 - of this test
        )


class TestRead:
    async def test_nothing_waits_on_a_new_server(self, database: Database):
        found = await read(database)

        assert found.held_runs == 0
        assert found.queues == {queue: backlog.WaitingTickets(0, 0) for queue in Queue}

    async def test_what_no_worker_has_taken_is_counted_with_the_age_of_the_oldest(
        self, database: Database, engine: Engine
    ):
        await enqueue(database, engine, 6)
        await age(database, 90)
        await enqueue(database, engine, 1)

        found = (await read(database)).queues

        assert found[Queue.RUNS].number == 7
        assert 89 <= found[Queue.RUNS].oldest_seconds < 120
        assert found[Queue.DELIVERIES].number == 0

    async def test_runs_that_their_plan_holds_back_are_counted(
        self, database: Database, make: Make, account: Account
    ):
        pipeline_id = await make.pipeline(account)
        held = [await make.run(account, pipeline_id) for _ in range(3)][:2]
        async with database.transaction() as session:
            await session.execute(runs.update().where(runs.c.id.in_(held)).values(ticket=0))

        assert (await read(database)).held_runs == 2


@pytest.mark.new_store
class TestPlans:
    async def test_it_walks_indexes_and_reads_no_table(self, database: Database):
        dialect = "sqlite" if database.is_sqlite else "postgresql"
        waiting = backlog.WAITING[dialect].bindparams(lane="runs")

        plans = [await query_plan(database, each) for each in (waiting, backlog.HELD)]

        assert "idx_workflow_status_in_flight" in plans[0]
        assert "ix_runs_held" in plans[1]
        for plan in plans:
            assert "Seq Scan" not in plan
            assert "TEMP B-TREE" not in plan
