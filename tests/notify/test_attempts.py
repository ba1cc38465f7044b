"""The attempts of deliveries that were repeated many times."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.notify import attempt_queries, queries
from stepiq.notify.records import Attempt
from stepiq.store.database import Database
from stepiq.store.states import DeliveryStatus
from stepiq.store.tables import deliveries, delivery_attempts
from tests.notify.conftest import Sender
from tests.support.make import Make
from tests.support.query_plans import plan_of, statements, walked_whole

pytestmark = pytest.mark.both_stores

HEADERS = {"x-trace": "abc"}


@pytest.fixture
async def pipeline_id(make: Make, account: Account) -> UUID:
    return await make.pipeline(account)


async def delivery_with(
    make: Make,
    account: Account,
    pipeline_id: UUID,
    attempts: int,
    status: DeliveryStatus = DeliveryStatus.FAILED,
) -> UUID:
    """A delivery with so many attempts."""
    run_id = await make.run(account, pipeline_id)
    delivery_id = await make.delivery(account, pipeline_id, run_id=run_id, status=status)
    async with make.database.transaction() as session:
        await session.execute(
            sa.update(deliveries).where(deliveries.c.id == delivery_id).values(attempts=attempts)
        )
        await session.execute(
            sa.insert(delivery_attempts),
            [
                {
                    "delivery_id": delivery_id,
                    "number": number,
                    "at": clock.now(),
                    "completed_at": clock.now(),
                    "response_headers": HEADERS,
                }
                for number in range(1, attempts + 1)
            ],
        )
    return delivery_id


class TestGetDelivery:
    async def test_it_shows_the_last_100_attempts_with_the_headers_of_the_responses(
        self, sender: Sender, make: Make, account: Account, pipeline_id: UUID
    ):
        delivery_id = await delivery_with(make, account, pipeline_id, 112)

        shown = (await sender.client.get(f"/api/deliveries/{delivery_id}")).json()["attempts"]

        assert [each["number"] for each in shown] == list(range(13, 113))
        assert [each["response_headers"] for each in shown] == [HEADERS] * 100


class TestListDeliveries:
    async def test_it_shows_the_last_10_attempts_of_each(
        self, sender: Sender, make: Make, account: Account, pipeline_id: UUID
    ):
        for attempts in (12, 3):
            await delivery_with(make, account, pipeline_id, attempts)

        answer = await sender.client.get(f"/api/pipelines/{pipeline_id}/deliveries")

        shown = [each["attempts"] for each in answer.json()["data"]]
        numbers = [[each["number"] for each in attempts] for attempts in shown]
        assert numbers == [[1, 2, 3], list(range(3, 13))]
        assert all(each["response_headers"] == HEADERS for attempts in shown for each in attempts)


class TestClaim:
    async def test_it_reads_only_the_last_attempt(
        self, database: Database, make: Make, account: Account, pipeline_id: UUID
    ):
        pending = DeliveryStatus.PENDING
        delivery_id = await delivery_with(make, account, pipeline_id, 5, pending)

        async with database.transaction() as session:
            claimed = await queries.claim(session, delivery_id)

        assert claimed is not None
        assert [each.number for each in claimed.attempts] == [5]


class TestInsert:
    async def test_it_deletes_all_but_the_last_100_attempts_of_the_delivery(
        self, database: Database, make: Make, account: Account, pipeline_id: UUID
    ):
        repeated = await delivery_with(make, account, pipeline_id, 101)
        other = await delivery_with(make, account, pipeline_id, 1)

        async with database.transaction() as session:
            attempt = Attempt(number=102, at=clock.now())
            await attempt_queries.insert(session, repeated, attempt, None)
            rows = await session.execute(
                sa.select(delivery_attempts.c.delivery_id, delivery_attempts.c.number).order_by(
                    delivery_attempts.c.delivery_id, delivery_attempts.c.number
                )
            )

            assert rows.all() == [*((repeated, n) for n in range(3, 103)), (other, 1)]


@pytest.mark.new_store
class TestNewest:
    @pytest.mark.parametrize("count", [1, 3])
    async def test_it_reads_only_these_attempts_by_the_index(self, database: Database, count: int):
        wanted = [ids.uuid7() for _ in range(count)]
        with statements() as seen:
            async with database.reading() as session:
                await attempt_queries.newest(session, wanted, 10)

        [(text, parameters)] = [each for each in seen.items() if "delivery_attempts" in each[0]]
        plan = await plan_of(database, text, parameters)

        assert not walked_whole(plan)
        bound = "AND number>?" if database.is_sqlite else "AND (number > ("
        assert bound in plan, plan
