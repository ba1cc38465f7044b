"""Transactions of the API and of tickers lock rows in the same order, so none of them waits for each other in a circle."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from stepiq.core import ids
from stepiq.core.settings.model import Settings
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.quotas import Quota
from stepiq.pipelines import queries as pipeline_queries
from stepiq.store.database import Database
from stepiq.triggers.schedules import firing, queries
from tests.support.locks import until_one_waits
from tests.triggers.schedules.conftest import NINE

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

DEFINITION = {"name": "P", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
SCHEDULED = {**DEFINITION, "schedule": {"cron": "0 9 * * *"}}


@pytest.fixture
async def another(settings: Settings) -> AsyncIterator[Database]:
    """The database, as another process uses it."""
    database = Database(settings)
    yield database
    await database.close()


async def test_a_run_started_by_hand_waits_for_the_ticker_that_has_the_schedule(
    another, database, engine, owner, schedule
):
    schedule_id = await schedule()

    async with another.transaction(30) as session:
        taken = await queries.take_due(session, NINE, [schedule_id])
        starting = asyncio.create_task(owner.post(f"/api/schedules/{schedule_id}/run-now"))
        await until_one_waits(database)
        await firing.fire(session, taken, NINE, engine, Plans.load({}))

    assert (await starting).status_code == 202


@pytest.mark.parametrize("definition", [DEFINITION, SCHEDULED], ids=["plain", "scheduled"])
async def test_a_slug_that_another_transaction_takes_is_awaited_without_quotas(
    another, database, owner, account, definition
):
    saved = (await owner.post("/api/pipelines", json=definition)).json()
    body = {"slug": "wanted", "definition": definition}

    async with another.transaction(30) as session:
        found = await pipeline_queries.find(session, account.workspace_id, UUID(saved["id"]))
        assert found is not None
        await pipeline_queries.insert(session, replace(found, id=ids.uuid7(), slug="wanted"))
        saving = asyncio.create_task(owner.put(f"/api/pipelines/{saved['id']}", json=body))
        await until_one_waits(database)
        for quota in (Quota.SCHEDULES, Quota.VERSIONS, Quota.DEFINITION_BYTES):
            await quotas.lock(session, account.workspace_id, quota)

    assert (await saving).json()["code"] == "slug_taken"


async def test_restoring_waits_for_a_schedule_without_quotas(another, database, owner, account):
    saved = (await owner.post("/api/pipelines", json=SCHEDULED)).json()
    path = f"/api/pipelines/{saved['id']}"
    (scheduled,) = (await owner.get(f"{path}/schedules")).json()["data"]
    await owner.delete(path)

    async with another.transaction(30) as session:
        await queries.find(session, account.workspace_id, UUID(scheduled["id"]), lock=True)
        restoring = asyncio.create_task(owner.post(f"{path}/restore"))
        await until_one_waits(database)
        for name in ("pipelines", Quota.SCHEDULES):
            await quotas.lock(session, account.workspace_id, name)

    assert (await restoring).status_code == 200
