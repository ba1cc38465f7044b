from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.core import clock as core_clock
from stepiq.runs.queries import delete_ended
from stepiq.store.statements import sweeping
from stepiq.store.states import RunStatus
from stepiq.store.tables import run_events, run_steps, runs
from tests.support.history import grow
from tests.support.query_plans import plan_of, statements, walked_whole

EVENTS = 12


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
def large_run(database, make, account, pipeline_id):
    """Makes a run with steps, and an event of each."""

    async def large_run(count=EVENTS, **values):
        run_id = await make.run(
            account, pipeline_id, status=RunStatus.COMPLETED, last_seq=count, **values
        )
        now = core_clock.now()
        for number in range(1, count + 1):
            await make.step(run_id, f"s{number}", ordinal=number)
        event = {"run_id": run_id, "type": "run.status", "data": {}, "created_at": now}
        async with database.transaction() as session:
            await session.execute(
                run_events.insert(), [{**event, "seq": number + 1} for number in range(count)]
            )
        return run_id

    return large_run


@pytest.fixture
def delete_large(database):
    async def delete_large(run_id, limit):
        async with database.transaction() as session:
            statement = sa.select(*sweeping.RUN_COLUMNS).where(runs.c.id == run_id)
            row = (await session.execute(statement)).one()
            return await sweeping.delete_large(session, row, limit)

    return delete_large


@pytest.fixture
def left(database):
    async def left(column):
        async with database.reading() as session:
            return list((await session.execute(sa.select(column).order_by(column))).scalars())

    return left


class TestDeleteLarge:
    async def test_the_first_events_go_first_then_the_last_steps(
        self, large_run, delete_large, left
    ):
        run_id = await large_run()

        assert await delete_large(run_id, 10) == 10
        assert await left(run_events.c.seq) == [11, 12]
        assert await delete_large(run_id, 10) == 2
        assert await delete_large(run_id, 10) == 2
        assert await left(run_steps.c.ordinal) == list(range(1, 11))
        assert [await delete_large(run_id, 10) for _ in range(6)] == [2, 2, 2, 2, 2, 0]

    async def test_a_run_within_the_limit_is_untouched(self, large_run, delete_large, left):
        run_id = await large_run()

        assert await delete_large(run_id, EVENTS) == 0
        assert len(await left(run_events.c.seq)) == EVENTS

    async def test_reused_steps_count_because_they_have_no_events(
        self, make, account, pipeline_id, delete_large
    ):
        run_id = await make.run(
            account, pipeline_id, status=RunStatus.COMPLETED, last_seq=2, reused={"steps": 9}
        )
        await make.step(run_id, is_reused=True)

        assert await delete_large(run_id, 11) == 0
        assert await delete_large(run_id, 10) == 1

    @pytest.mark.new_store
    async def test_it_reads_only_rows_of_the_run(
        self, database, account, pipeline_id, large_run, delete_large
    ):
        await grow(database, account, pipeline_id)
        run_id = await large_run(2)

        with statements() as seen:
            while await delete_large(run_id, 1):
                pass

        plans = [await plan_of(database, *each) for each in seen.items()]
        assert len(plans) == 5
        assert not any(map(walked_whole, plans)), plans


class TestSweep:
    async def test_a_sweep_deletes_a_large_run_in_batches(self, database, large_run, clock, left):
        await large_run()
        clock.advance(timedelta(days=2))
        later = core_clock.now()
        batches = []

        while not batches or batches[-1]:
            async with database.transaction() as session:
                ended = later - timedelta(days=1)
                deleted = await delete_ended(session, ended, runs_limit=100, events_limit=10)
                batches.append(deleted)

        assert batches == [10, 2, *[2] * 6, 1, 0]
        assert await left(runs.c.id) == []
