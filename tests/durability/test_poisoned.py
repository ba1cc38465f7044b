"""A run whose process dies under it again and again does not start for ever."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from stepiq.core.settings import Settings
from tests.support.fake_provider import running_fake_provider
from tests.support.ports import free_port
from tests.support.process import first_account, running_server

PIPELINE = """
name: Chain
steps:
  - {id: first, model: openai/gpt-4o-mini, prompt: one}
  - {id: second, model: openai/gpt-4o-mini, prompt: two}
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_run_that_loses_its_process_three_times_fails(settings: Settings, tmp_path: Path):
    port = free_port()
    async with running_fake_provider() as provider:
        environment = {
            "STEPIQ_DATABASE_URL": settings.database_url,
            "STEPIQ_RUN_CRASH_LIMIT": "3",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": provider.url,
        }
        async with (
            running_server(tmp_path, port, environment) as server,
            httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
        ):
            client.headers.update(await first_account(client, server.data))
            answer = await client.post(
                "/api/pipelines", content=PIPELINE, headers={"Content-Type": "application/yaml"}
            )
            provider.configure(latency_ms=600_000)
            started = await client.post(f"/api/pipelines/{answer.json()['id']}/run", json={})
            path = f"/api/runs/{started.json()['id']}"
            for number in range(1, 4):
                await provider.next_request(number)
                assert (await client.get(path)).json()["status"] == "running"
                await server.kill()
                await server.start()

            async with asyncio.timeout(60):
                while (run := (await client.get(path)).json())["status"] == "running":  # noqa: ASYNC110 - a stream is another test
                    await asyncio.sleep(0.05)

        assert (run["status"], run["error"]["code"]) == ("failed", "poisoned")
        assert run["error"]["step_id"] == "first"
        assert len(provider.requests) == 3
