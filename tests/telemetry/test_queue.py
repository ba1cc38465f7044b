"""The queue of runs whose traces are exported."""

from datetime import timedelta
from types import ModuleType

import pytest

from stepiq.core.settings.model import Settings
from stepiq.execution.records import trace_queue
from stepiq.execution.runtime import Engine
from stepiq.server import worker
from stepiq.store.database import Database
from stepiq.telemetry import queries
from tests.support.engine import World
from tests.telemetry.test_exporter import queued, run_some


class TestClaim:
    async def test_a_late_process_leaves_what_another_has_claimed(
        self, world: World, database: Database, clock: ModuleType
    ):
        run_ids = await run_some(world, 2)
        async with database.transaction() as session:
            late = clock.now()
            assert len(await queries.claim(session, late, 10)) == 2
        clock.advance(queries.LEASE)
        async with database.transaction() as session:
            now = clock.now()
            assert len(await queries.claim(session, now, 10)) == 2

        async with database.transaction() as session:
            await queries.finish(session, run_ids[:1], late + queries.LEASE)
            await queries.postpone(session, run_ids[1:], late + queries.LEASE, now)
            assert await queries.claim(session, now, 10) == []

        assert len(await queued(database)) == 2


@pytest.mark.both_stores
class TestSweep:
    async def test_runs_that_no_process_exports_are_removed_after_a_day(
        self, world: World, database: Database, settings: Settings, clock: ModuleType
    ):
        await run_some(world, 2)
        clock.advance(trace_queue.KEPT - timedelta(minutes=1))
        await worker.sweep(database, worker.sweeps(settings))
        assert len(await queued(database)) == 2

        clock.advance(timedelta(minutes=2))
        await worker.sweep(database, worker.sweeps(settings))

        assert await queued(database) == []


class TestOff:
    async def test_without_an_endpoint_nothing_is_queued(
        self, world: World, database: Database, engine: Engine
    ):
        engine._admission.traces._is_on = False

        await run_some(world)

        assert await queued(database) == []
