"""The `traceparent` of requests that start runs."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.store.database import Database
from stepiq.store.tables import runs
from tests.support.clients import login, login_key
from tests.support.make import Make

__all__ = ["login", "login_key"]

SIMPLE = "name: Simple\nsteps:\n  - {id: t, type: transform, template: x}\n"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


pytestmark = pytest.mark.both_stores


def parent(number: int) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{number:016x}-01"}


async def stored(database: Database, run_id: str) -> str | None:
    async with database.reading() as session:
        return await session.scalar(sa.select(runs.c.traceparent).where(runs.c.id == UUID(run_id)))


@pytest.fixture
async def caller(login_key: Any, account: Account) -> httpx2.AsyncClient:
    return await login_key(account)


@pytest.fixture
async def pipeline_id(account: Account, make: Make) -> UUID:
    return await make.pipeline(account, source=SIMPLE)


class TestTraceParent:
    async def test_a_run_keeps_that_of_its_request(
        self, caller: httpx2.AsyncClient, database: Database, pipeline_id: UUID
    ):
        url = f"/api/pipelines/{pipeline_id}/run"

        run = (await caller.post(url, json={}, headers=parent(7))).json()

        assert await stored(database, run["id"]) == f"00-{TRACE}-0000000000000007-01"

    @pytest.mark.one_store
    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("traceparent", "nonsense")],
            [
                ("traceparent", f"00-{TRACE}-{1:016x}-01"),
                ("traceparent", f"00-{TRACE}-{2:016x}-01"),
            ],
        ],
    )
    async def test_no_valid_header_is_none(
        self,
        caller: httpx2.AsyncClient,
        database: Database,
        pipeline_id: UUID,
        headers: list[tuple[str, str]],
    ):
        url = f"/api/pipelines/{pipeline_id}/run"

        answer = await caller.post(
            url, json={}, headers=httpx2.Headers([*caller.headers.multi_items(), *headers])
        )

        assert answer.status_code == 202
        assert await stored(database, answer.json()["id"]) is None

    async def test_webhooks_that_arrive_together_keep_their_own(
        self, caller: httpx2.AsyncClient, database: Database, pipeline_id: UUID
    ):
        url = f"/api/webhooks/{pipeline_id}"

        answers = await asyncio.gather(
            *(caller.post(url, json={}, headers=parent(n)) for n in range(1, 13)),
            caller.post(url, json={}),
        )

        found = [await stored(database, each.json()["run_id"]) for each in answers]
        assert found == [*(parent(n)["traceparent"] for n in range(1, 13)), None]

    async def test_a_webhook_with_an_idempotency_key_keeps_it(
        self, caller: httpx2.AsyncClient, database: Database, pipeline_id: UUID
    ):
        headers = {**parent(3), "Idempotency-Key": "once"}

        answer = await caller.post(f"/api/webhooks/{pipeline_id}", json={}, headers=headers)

        assert await stored(database, answer.json()["run_id"]) == parent(3)["traceparent"]

    async def test_a_run_of_a_draft_keeps_it(
        self, login: Any, account: Account, database: Database, pipeline_id: UUID
    ):
        client = await login(account)
        body = {"text": SIMPLE, "pipeline_id": str(pipeline_id)}

        answer = await client.post("/api/runs/draft", json=body, headers=parent(4))

        assert answer.status_code == 202, answer.text
        assert await stored(database, answer.json()["id"]) == parent(4)["traceparent"]
