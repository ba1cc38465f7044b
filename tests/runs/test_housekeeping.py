import asyncio
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from stepiq.runs import queries, service
from stepiq.server.worker import sweep as server_sweep
from stepiq.server.worker import sweeps
from stepiq.store.states import FINAL_RUN_STATUSES, DeliveryStatus, RunStatus
from stepiq.store.tables import (
    deliveries,
    delivery_attempts,
    large_values,
    operation_payloads,
    run_events,
    run_operations,
    run_steps,
    runs,
    usage_days,
)

DAY = timedelta(days=1)
KEPT = 30 * DAY
COMPLETED = RunStatus.COMPLETED

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
def run(make, account, pipeline_id, clock):
    """Makes runs; `age` is how long ago they ended, or began where they have not ended."""

    async def run(age=31 * DAY, **fields):
        clock.advance(-age)
        run_id = await make.run(account, pipeline_id, **{"status": COMPLETED, **fields})
        clock.advance(age)
        return run_id

    return run


@pytest.fixture
def sweep(database, clock):
    async def sweep():
        async with database.transaction() as session:
            return await service.sweep(session, clock.now(), kept=KEPT)

    return sweep


@pytest.fixture
def left(database):
    async def left(table=runs):
        async with database.reading() as session:
            found = await session.execute(sa.select(next(iter(table.primary_key))))
            return set(found.scalars())

    return left


@pytest.fixture
def write(database):
    async def write(*statements):
        async with database.transaction() as session:
            for statement in statements:
                await session.execute(statement)

    return write


class TestSweep:
    @pytest.mark.parametrize("status", sorted(FINAL_RUN_STATUSES))
    async def test_a_run_goes_when_its_time_is_over(self, run, sweep, left, status):
        await run(status=status)

        assert await sweep() == 1
        assert await left() == set()

    async def test_time_counts_from_its_end(self, run, sweep, left):
        kept = await run(KEPT - timedelta(seconds=10))

        assert await sweep() == 0
        assert await left() == {kept}

    @pytest.mark.parametrize("status", sorted(set(RunStatus) - FINAL_RUN_STATUSES))
    async def test_a_run_that_has_not_ended_stays(self, run, sweep, left, status):
        kept = await run(90 * DAY, status=status)

        assert await sweep() == 0
        assert await left() == {kept}

    async def test_all_that_hangs_on_it_goes_along(
        self, run, sweep, left, write, make, account, pipeline_id, clock
    ):
        run_id, now = await run(), clock.now()
        delivery_id = await make.delivery(account, pipeline_id, run_id=run_id)
        step = await make.step(run_id)
        await make.operation(run_id, step, payloads={"response": "x" * 70_000})
        await write(
            run_events.insert().values(
                run_id=run_id, seq=1, type="run.status", data={}, created_at=now
            ),
            large_values.insert().values(owner_id=run_id, run_id=run_id, value="x" * 70_000),
            delivery_attempts.insert().values(delivery_id=delivery_id, number=1, at=now),
            usage_days.insert().values(
                workspace_id=account.workspace_id,
                day="2026-01-01",
                pipeline_id=pipeline_id,
                model="",
                runs=1,
            ),
        )

        assert await sweep() == 1

        gone = (run_steps, run_operations, operation_payloads, run_events, large_values)
        for table in (*gone, deliveries, delivery_attempts):
            assert await left(table) == set()
        assert await left(usage_days) == {account.workspace_id}

    async def test_a_delivery_under_way_keeps_its_run(
        self, run, sweep, left, write, make, account, pipeline_id, clock
    ):
        kept, gone = await run(), await run()
        pending = DeliveryStatus.PENDING
        await make.delivery(account, pipeline_id, run_id=kept, status=pending)
        await make.delivery(account, pipeline_id, run_id=gone)

        assert await sweep() == 1
        assert await left() == {kept}

        await write(deliveries.update().values(status="delivered", completed_at=clock.now()))
        assert await sweep() == 1

    async def test_a_run_that_was_tried_again_goes_before_its_successor(
        self, run, sweep, left, write
    ):
        first, second = await run(), await run(DAY)
        await write(runs.update().where(runs.c.id == second).values(retry_of=first))

        assert await sweep() == 1
        assert await left() == {second}

    async def test_a_turn_ends_at_either_limit_the_oldest_first(
        self, run, left, write, database, clock
    ):
        made = [await run((40 - number) * DAY) for number in range(6)]
        await write(runs.update().values(last_seq=4))

        async def delete(runs_limit, events_limit):
            async with database.transaction() as session:
                return await queries.delete_ended(
                    session, clock.now() - KEPT, runs_limit=runs_limit, events_limit=events_limit
                )

        assert await delete(100, 8) == 2
        assert await left() == set(made[2:])
        assert await delete(100, 3) == 1
        assert await delete(1, 100) == 1
        assert await left() == set(made[4:])

    @only_postgresql
    async def test_runs_that_somebody_holds_are_passed_over(self, run, sweep, left, database):
        held, _ = await run(32 * DAY), await run()
        async with database.transaction() as other:
            await other.execute(sa.select(runs).where(runs.c.id == held).with_for_update())

            async with asyncio.timeout(10):
                assert await sweep() == 1

        assert await left() == {held}

    @only_postgresql
    async def test_two_sweep_at_once_without_waiting(self, run, database, left, clock):
        for _ in range(4):
            await run()
        before = clock.now() - KEPT
        sweep = partial(queries.delete_ended, before=before, runs_limit=2, events_limit=500)

        async with asyncio.timeout(10), database.transaction() as one:
            assert await sweep(one) == 2
            async with database.transaction() as other:
                assert await sweep(other) == 2

        assert await left() == set()

    async def test_a_deleted_run_is_unknown(self, owner, run, sweep):
        run_id = await run()
        assert (await owner.get(f"/api/runs/{run_id}")).status_code == 200

        await sweep()

        for path in ("", "/events", "/stream", "/deliveries"):
            answer = await owner.get(f"/api/runs/{run_id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")

    async def test_the_server_sweeps_after_thirty_days_unless_told_otherwise(
        self, default_settings, database, run, left
    ):
        kept = await run(29 * DAY)
        await run(31 * DAY)

        for days, expected in ((0, 2), (30, 1), (28, 0)):
            settings = default_settings.model_copy(update={"run_retention_days": days})
            await server_sweep(database, sweeps(settings))
            assert len(found := await left()) == expected
            assert not found or kept in found
