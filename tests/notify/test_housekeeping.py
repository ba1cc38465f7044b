from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.notify import queries
from stepiq.store.states import DeliveryStatus
from stepiq.store.tables import deliveries

KEPT = timedelta(days=30)


pytestmark = pytest.mark.both_stores


async def sweep(database, clock):
    async with database.transaction() as session:
        return await queries.sweep_tests(session, clock.now(), kept=KEPT)


class TestSweep:
    async def test_test_deliveries_go_when_their_time_is_over(self, database, make, account, clock):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id)
        await make.delivery(account, pipeline_id)
        kept = {
            await make.delivery(account, pipeline_id, status=DeliveryStatus.PENDING),
            await make.delivery(account, pipeline_id, run_id=run_id),
        }
        assert await sweep(database, clock) == 0
        clock.advance(KEPT + timedelta(seconds=1))

        assert await sweep(database, clock) == 1

        async with database.reading() as session:
            assert set((await session.execute(sa.select(deliveries.c.id))).scalars()) == kept
