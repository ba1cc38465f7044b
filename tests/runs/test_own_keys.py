"""The account's own provider key is deleted while a run that was accepted with it waits for a person."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import SecretStr

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.accounts.service import Account
from stepiq.core.keys.encryption import Keyring
from stepiq.core.settings.model import Settings
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.pubsub import run_topic
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.make import Make

OWN = "sk-own-0123456789abcdef"
SOURCE = """\
name: Reviewed
steps:
  - {id: check, type: human_review, message: "Fine?"}
  - {id: ask, model: openai/gpt-4o-mini, prompt: x, retry: {max_attempts: 1}}
"""

pytestmark = pytest.mark.one_store


@pytest.fixture
async def fake_provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


@pytest.fixture
async def providers(
    fake_provider: RunningFakeProvider, settings: Settings
) -> AsyncIterator[Providers]:
    keyed = {
        "openai_api_key": SecretStr("sk-server-0123456789"),
        "openai_base_url": fake_provider.url,
    }
    providers = Providers(settings.model_copy(update=keyed))
    yield providers
    await providers.close()


@pytest.fixture
async def engine(database, changes, providers, http, settings) -> AsyncIterator[Engine]:
    secrets = StoredSecrets(Keyring(settings))
    engine = Engine(database, changes, providers, Plans.load({}), http, secrets=secrets)
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


@pytest.fixture(params=["enterprise", "pro"])
async def account(request: pytest.FixtureRequest, make: Make) -> Account:
    """On a plan without and with a limit of credits."""
    return await make.user(plan=request.param)


@pytest.fixture
def until(owner: httpx2.AsyncClient, changes):
    """Waits until a run has a status, and gives the run."""

    async def until(run_id: str, status: str) -> dict[str, Any]:
        async with asyncio.timeout(20), changes.subscribe(run_topic(UUID(run_id))) as heard:
            while (run := (await owner.get(f"/api/runs/{run_id}")).json())["status"] != status:
                await heard.next()
        return run

    return until


async def start(client: httpx2.AsyncClient) -> str:
    yaml = {"Content-Type": "application/yaml"}
    made = await client.post("/api/pipelines", content=SOURCE, headers=yaml)
    return (await client.post(f"/api/pipelines/{made.json()['id']}/run", json={})).json()["id"]


async def approve(client: httpx2.AsyncClient, run_id: str) -> None:
    answer = await client.post(f"/api/runs/{run_id}/reviews/check", json={"decision": "approve"})
    assert answer.status_code == 200, answer.text


class TestKeyDeletedDuringAReview:
    async def test_the_call_does_not_use_the_servers_key(
        self, owner, until, fake_provider: RunningFakeProvider
    ):
        await owner.post("/api/user/secrets", json={"name": "OPENAI_API_KEY", "value": OWN})
        run_id = await start(owner)
        await until(run_id, "waiting")
        await owner.delete("/api/user/secrets/OPENAI_API_KEY")

        await approve(owner, run_id)

        run = await until(run_id, "failed")
        assert run["error"]["code"] == "secret_missing"
        assert "the secret `OPENAI_API_KEY`, which was deleted" in run["error"]["message"]
        assert fake_provider.stats.calls == 0

    async def test_a_new_value_is_used(self, owner, until, fake_provider: RunningFakeProvider):
        await owner.post("/api/user/secrets", json={"name": "OPENAI_API_KEY", "value": "old-key-1"})
        run_id = await start(owner)
        await until(run_id, "waiting")
        await owner.post("/api/user/secrets", json={"name": "OPENAI_API_KEY", "value": OWN})

        await approve(owner, run_id)

        run = await until(run_id, "completed")
        assert run["steps"][-1]["paid_by"] == "account_key"
        assert fake_provider.requests[0].authorization == f"Bearer {OWN}"

    async def test_a_run_without_an_own_key_uses_the_servers(
        self, owner, until, fake_provider: RunningFakeProvider
    ):
        run_id = await start(owner)
        await until(run_id, "waiting")

        await approve(owner, run_id)

        run = await until(run_id, "completed")
        assert run["steps"][-1]["paid_by"] == "server_key"
        assert fake_provider.requests[0].authorization == "Bearer sk-server-0123456789"
