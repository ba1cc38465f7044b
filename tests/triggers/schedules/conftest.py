from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from stepiq.execution.limits.plans import Plans
from stepiq.store.tables import schedule_ticks
from stepiq.triggers.schedules.ticker import Ticker

NINE = datetime(2030, 1, 7, 9, tzinfo=UTC)


@pytest.fixture
async def pipeline_id(account, make):
    return await make.pipeline(account)


@pytest.fixture
def schedule(account, make, pipeline_id):
    """Makes schedules that are due at nine."""

    async def schedule(**fields):
        return await make.schedule(account, pipeline_id, **{"next_run_at": NINE, **fields})

    return schedule


@pytest.fixture
def rows(database):
    async def rows(statement):
        async with database.reading() as session:
            return (await session.execute(statement)).all()

    return rows


@pytest.fixture
def ticker(database, engine):
    return Ticker(database, engine, Plans.load({}))


@pytest.fixture
def outcomes(rows):
    """What is recorded of a schedule, the oldest first: time, outcome, reason."""

    async def outcomes(schedule_id, times="%H:%M"):
        found = await rows(
            sa.select(schedule_ticks)
            .where(schedule_ticks.c.schedule_id == schedule_id)
            .order_by(schedule_ticks.c.due_at)
        )
        return [(row.due_at.strftime(times), row.outcome, row.reason) for row in found]

    return outcomes
