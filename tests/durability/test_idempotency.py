"""One `Idempotency-Key`, one run: fifty posts at once, while the server is killed."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server

ROUNDS = 2
POSTS = 50
PIPELINE = {"name": "X", "steps": [{"id": "a", "type": "transform", "template": "x"}]}


@pytest.fixture
async def server(settings: Settings, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    port = free_port()
    environment = {"STEPIQ_DATABASE_URL": settings.database_url}
    async with running_server(tmp_path, port, environment) as server:
        yield server


@pytest.mark.slow
class TestKeysUnderKills:
    async def test_fifty_posts_with_one_key_start_one_run(self, server: ServerProcess):
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            client.headers.update(await first_account(client, server.data))
            created = await client.post("/api/pipelines", json=PIPELINE)
            url = f"/api/pipelines/{created.json()['id']}/run"
            for number in range(ROUNDS):
                key = {"Idempotency-Key": f"order-{number}"}
                posts = [asyncio.create_task(_post(client, url, key)) for _ in range(POSTS)]
                # Before, amid or behind the first commit; each round ends with whoever asks again.
                await asyncio.sleep(random.uniform(0, 0.15))  # noqa: S311 - not a secret
                await server.kill()
                answered = {run_id for run_id in await asyncio.gather(*posts) if run_id}
                await server.start()

                again = await _post(client, url, key)
                listed = (await client.get("/api/runs?limit=100")).json()["data"]
                assert again is not None
                assert answered <= {again}
                assert len(listed) == number + 1
                assert again in {run["id"] for run in listed}


async def _post(client: httpx2.AsyncClient, url: str, key: dict[str, str]) -> str | None:
    """The id of the run that was answered; None when there was no answer, or only that another is at it."""
    try:
        answer = await client.post(url, json={}, headers=key)
    except httpx2.TransportError:
        return None
    assert answer.status_code in (202, 409, 503), answer.text
    return answer.json()["id"] if answer.status_code == 202 else None
