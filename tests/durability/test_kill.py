"""The server is killed in the middle of its work; what was promised must hold all the same."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server

KILLS = int(os.environ.get("STEPIQ_TEST_CYCLES", "4"))
STEPS = 4
PIPELINE = "name: Chain\nsteps:\n" + "".join(
    f"  - {{id: s{n}, model: openai/gpt-4o-mini, prompt: 'Step {n}', retry: {{max_attempts: 10, backoff_ms: 50}}}}\n"
    for n in range(STEPS)
)


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider(token_ms=40, tokens=8) as provider:
        yield provider


@pytest.fixture
async def server(
    settings: Settings, provider: RunningFakeProvider, tmp_path: Path
) -> AsyncIterator[ServerProcess]:
    port = free_port()
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }
    async with running_server(tmp_path, port, environment) as server:
        yield server


@pytest.mark.slow
@pytest.mark.smoke
@pytest.mark.timeout(400 + 10 * KILLS)
class TestKill:
    async def test_runs_go_on_by_themselves_without_repeating_what_is_recorded(
        self, server: ServerProcess, provider: RunningFakeProvider
    ):
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            client.headers.update(await first_account(client, server.data))
            pipeline_id = await _create(client)
            kills = 0
            while kills < KILLS:
                run_id = await _start(client, pipeline_id)
                listener = asyncio.create_task(_listen(server, client.headers, run_id))
                kills += await _kill_until_ended(server, provider, listener, KILLS - kills)

                events = await asyncio.wait_for(listener, 60)
                run = (await client.get(f"/api/runs/{run_id}")).json()
                assert run["status"] == "completed"
                assert [step["status"] for step in run["steps"]] == ["completed"] * STEPS
                await _check_stream(client, run_id, events)
                _check_calls(provider, run)
                provider.reset()

        assert kills == KILLS


async def _create(client: httpx2.AsyncClient) -> str:
    headers = {"Content-Type": "application/yaml"}
    answer = await client.post("/api/pipelines", content=PIPELINE, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def _start(client: httpx2.AsyncClient, pipeline_id: str) -> str:
    answer = await client.post(f"/api/pipelines/{pipeline_id}/run", json={})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def _kill_until_ended(
    server: ServerProcess,
    provider: RunningFakeProvider,
    listener: "asyncio.Task[list[dict[str, Any]]]",
    most: int,
) -> int:
    kills = 0
    while kills < most:
        request = asyncio.create_task(provider.next_request(len(provider.requests) + 1))
        await asyncio.wait({request, listener}, return_when=asyncio.FIRST_COMPLETED)
        if not request.done():
            request.cancel()
            break
        # Anywhere in the call, which takes about 0.3 s, or just behind its end.
        await asyncio.sleep(random.uniform(0, 0.33))  # noqa: S311 - not a secret
        if listener.done():
            break
        await server.kill()
        kills += 1
        await server.start()
    return kills


def _has_ended(event: dict[str, Any]) -> bool:
    return event.get("step_id") is None and event.get("status") in (
        "completed",
        "failed",
        "cancelled",
    )


async def _listen(server: ServerProcess, headers: Any, run_id: str) -> list[dict[str, Any]]:
    """Follow a run over every kill, as a browser's EventSource does: by the number of the last event it has."""
    events: list[dict[str, Any]] = []
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
        while not (events and _has_ended(events[-1])):
            try:
                last = {"Last-Event-ID": str(events[-1]["seq"])} if events else {}
                async with client.stream(
                    "GET", f"/api/runs/{run_id}/stream", headers=last
                ) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("data: ") and "seq" in (data := json.loads(line[6:])):
                            events.append(data)
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
    return events


async def _check_stream(
    client: httpx2.AsyncClient, run_id: str, events: list[dict[str, Any]]
) -> None:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    log = (await client.get(f"/api/runs/{run_id}/events?limit=100")).json()["data"]
    assert [entry["seq"] for entry in log] == [event["seq"] for event in events]


def _check_calls(provider: RunningFakeProvider, run: dict[str, Any]) -> None:
    keys = [request.headers["idempotency-key"] for request in provider.requests]
    # A step that is recorded never runs again: behind the first call of the next one there is none of its own.
    assert keys == sorted(keys)
    assert set(keys) == {f"{run['id']}:s{n}:1" for n in range(STEPS)}
    assert sum(step["attempts"] for step in run["steps"]) >= len(keys)
