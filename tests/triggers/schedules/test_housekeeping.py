from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from stepiq.server.worker import sweeps
from stepiq.store.states import TickOutcome
from stepiq.store.tables import schedule_ticks
from stepiq.triggers.schedules import queries, ticker
from stepiq.triggers.schedules.records import Tick

NINE = datetime(2030, 1, 7, 9, tzinfo=UTC)
DAY = timedelta(days=1)


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def ticks(database, make, account):
    """Outcomes of three days."""
    schedule_id = await make.schedule(account, await make.pipeline(account))
    days = [NINE + number * DAY for number in range(3)]
    missed = [Tick(schedule_id, day, TickOutcome.MISSED, None, None, day) for day in days]
    async with database.transaction() as session:
        await queries.record(session, missed)


async def sweep(database, now):
    async with database.transaction() as session:
        return await ticker.sweep(session, now)


async def left(database):
    async with database.reading() as session:
        found = await session.execute(sa.select(schedule_ticks.c.due_at))
        return sorted(found.scalars())


class TestSweep:
    async def test_outcomes_go_after_thirty_days(self, database, ticks):
        assert await sweep(database, NINE + 30 * DAY) == 0

        assert await sweep(database, NINE + 31 * DAY + timedelta(seconds=1)) == 2
        assert await left(database) == [NINE + 2 * DAY]

    async def test_a_turn_takes_a_batch_the_oldest_first(self, database, ticks):
        async with database.transaction() as session:
            assert await queries.forget_ticks(session, NINE + 60 * DAY, 2) == 2

        assert await left(database) == [NINE + 2 * DAY]
        assert await sweep(database, NINE + 90 * DAY) == 1

    def test_the_server_calls_it(self, default_settings):
        assert ticker.sweep in sweeps(default_settings)
