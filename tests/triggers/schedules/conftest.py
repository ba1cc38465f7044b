from datetime import UTC, datetime

import pytest

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
