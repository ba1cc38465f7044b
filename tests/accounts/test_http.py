from datetime import timedelta

import httpx2
import pytest

from stepiq.store.states import RunStatus
from tests.support.clients import login, login_key
from tests.support.query_plans import executions

pytestmark = pytest.mark.one_store

__all__ = ["login", "login_key"]

LIMIT = 60
"""Requests a minute on plan `free`."""


@pytest.fixture
async def account(make):
    return await make.user(plan="free")


def figures(response):
    return [response.headers.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Policy")]


async def use_up(client):
    for _ in range(LIMIT):
        assert (await client.get("/api/models/providers")).status_code == 200


class TestRate:
    async def test_every_answer_says_what_is_left(self, owner):
        first = await owner.get("/api/pipelines")
        second = await owner.get("/api/runs/none")

        assert figures(first) == ["60", "59", "60;w=60"]
        assert 58 <= int(first.headers["RateLimit-Reset"]) <= 60
        assert (second.status_code, figures(second)[1]) == (404, "58")

    async def test_one_more_than_the_plan_allows_is_refused_until_the_minute_is_over(
        self, owner, clock
    ):
        await use_up(owner)

        refused = await owner.get("/api/pipelines")

        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
        assert "60 requests per minute" in refused.json()["detail"]
        assert "[plans.free]" in refused.json()["detail"]
        assert figures(refused)[1] == "0"
        clock.advance(timedelta(seconds=int(refused.headers["Retry-After"])))
        assert (await owner.get("/api/pipelines")).status_code == 200

    async def test_each_credential_has_its_own(self, owner, login, login_key, account, stranger):
        await use_up(owner)

        for other in (await login(account), await login_key(account), await login_key(account)):
            assert (await other.get("/api/pipelines")).status_code == 200

    async def test_a_plan_without_a_limit_says_nothing(self, login, make):
        client = await login(await make.user(plan="enterprise"))

        response = await client.get("/api/pipelines")

        assert figures(response) == [None, None, None]

    async def test_what_needs_no_credential_has_no_limit(self, client, owner):
        await use_up(owner)

        for path in ("/health", "/openapi.json"):
            for headers in ({}, dict(owner.headers)):
                response = await client.get(path, headers=headers)
                assert response.status_code == 200
                assert figures(response) == [None, None, None]

    async def test_a_credential_that_does_not_count_is_not_counted(self, client, owner):
        await use_up(owner)

        response = await client.get("/api/pipelines", headers={"X-API-Key": "none"})

        assert response.status_code == 401
        assert figures(response) == [None, None, None]

    async def test_a_stream_counts_once(self, server, owner, make, account):
        run_id = await make.run(account, await make.pipeline(account), status=RunStatus.COMPLETED)
        headers = dict(owner.headers)
        async with httpx2.AsyncClient(base_url=server.url, headers=headers) as client:
            async with client.stream("GET", f"/api/runs/{run_id}/stream") as response:
                await response.aread()
            after = await client.get("/api/pipelines")

        assert figures(response)[1] == "59"
        assert figures(after)[1] == "58"

    async def test_it_asks_the_store_nothing(self, app, owner, database):
        await owner.get("/api/models/providers")
        # The first request of a session stores when it was used, after its response.
        await app.state.doors.authenticator.settle()
        with executions() as statements:
            await owner.get("/api/models/providers")

        # The page itself asks which keys of providers the account has stored.
        assert [text for text in statements if "FROM secrets" not in text] == []
