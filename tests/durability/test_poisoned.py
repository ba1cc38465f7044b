"""A run whose process dies or hangs under it again and again does not start for ever."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, WorkerProcess, first_account, running_server

PIPELINE = """
name: Chain
steps:
  - {id: first, model: openai/gpt-4o-mini, prompt: one}
  - {id: second, model: openai/gpt-4o-mini, prompt: two}
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def test_a_run_that_loses_its_process_three_times_fails(settings: Settings, tmp_path: Path):
    async with (
        running_fake_provider(latency_ms=600_000) as provider,
        running_server(tmp_path, free_port(), environment(settings, provider)) as server,
        httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
    ):
        path = await start(client, server.data)
        for number in range(1, 4):
            await provider.next_request(number)
            assert (await client.get(path)).json()["status"] == "running"
            await server.kill()
            await server.start()

        check(await ended(client, path), provider)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_run_that_hangs_its_process_three_times_fails(settings: Settings, tmp_path: Path):
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(running_fake_provider(latency_ms=600_000))
        variables = environment(settings, provider)
        api = ServerProcess(tmp_path, free_port(), variables, "--no-worker")
        holder, other = [WorkerProcess(tmp_path, f"worker-{n}", variables) for n in range(2)]
        for process in (api, holder, other):
            stack.push_async_callback(process.kill)
        await api.start()
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=api.url, timeout=30))
        path = await start(client, api.data)
        await holder.start()
        await provider.next_request(1)
        await other.start()

        for number in (2, 3):
            holder.pause()
            await asyncio.wait_for(provider.next_request(number), 60)
            assert (await client.get(path)).json()["status"] == "running"
            holder.resume()
            holder, other = other, holder
        holder.pause()

        check(await ended(client, path), provider)


def environment(settings: Settings, provider: RunningFakeProvider) -> dict[str, str]:
    return {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "STEPIQ_RUN_CRASH_LIMIT": "3",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }


async def start(client: httpx2.AsyncClient, data: Path) -> str:
    """Start a run of a new server, and return its path."""
    client.headers.update(await first_account(client, data))
    answer = await client.post(
        "/api/pipelines", content=PIPELINE, headers={"Content-Type": "application/yaml"}
    )
    started = await client.post(f"/api/pipelines/{answer.json()['id']}/run", json={})
    return f"/api/runs/{started.json()['id']}"


async def ended(client: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (run := (await client.get(path)).json())["status"] == "running":  # noqa: ASYNC110 - a stream is another test
            await asyncio.sleep(0.05)
    return run


def check(run: dict[str, Any], provider: RunningFakeProvider) -> None:
    assert (run["status"], run["error"]["code"]) == ("failed", "poisoned")
    assert run["error"]["step_id"] == "first"
    assert len(provider.requests) == 3
