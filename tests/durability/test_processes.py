"""A server with several processes on PostgreSQL, one of which is killed while it executes runs."""

import asyncio
import json
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.fake_provider import running_fake_provider
from tests.support.ports import free_port
from tests.support.process import first_account, running_server

RUNS = 8
STEPS = 3
PIPELINE = "name: Chain\nsteps:\n" + "".join(
    f"  - {{id: s{n}, model: openai/gpt-4o-mini, prompt: 'Step {n}', retry: {{max_attempts: 10, backoff_ms: 50}}}}\n"
    for n in range(STEPS)
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]


async def ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    """A run, once it has ended."""
    while True:
        # The killed process has closed its connections.
        with suppress(httpx2.TransportError):
            run = (await client.get(f"/api/runs/{run_id}")).json()
            if run["status"] in ("completed", "failed", "cancelled"):
                return run
        await asyncio.sleep(0.05)


async def test_runs_of_a_killed_process_are_completed_by_the_others(
    settings: Settings, tmp_path: Path
):
    async with running_fake_provider() as provider:
        # Each call takes about 0.3 s.
        provider.configure(token_ms=40, tokens=8)
        environment = {
            "STEPIQ_DATABASE_URL": settings.database_url,
            "STEPIQ_PROCESSES": "2",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": provider.url,
        }
        async with (
            running_server(tmp_path, free_port(), environment) as server,
            httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
        ):
            client.headers.update(await first_account(client, server.data))
            headers = {"Content-Type": "application/yaml"}
            made = (await client.post("/api/pipelines", content=PIPELINE, headers=headers)).json()
            path = f"/api/pipelines/{made['id']}/run"
            runs = [(await client.post(path, json={})).json()["id"] for _ in range(RUNS)]
            await asyncio.wait_for(provider.next_request(RUNS), 60)

            lines = [json.loads(line) for line in server.log.read_text().splitlines()]
            holder = next(line["process"] for line in lines if line["event"] == "run_started")
            os.kill(server.children()[holder - 1], signal.SIGKILL)

            for run_id in runs:
                run = await asyncio.wait_for(ended(client, run_id), 60)
                assert run["status"] == "completed", run["error"]
            calls = Counter(each.headers["idempotency-key"] for each in provider.requests)
            assert len(calls) == RUNS * STEPS
            # Only a call in flight is repeated.
            assert all(count <= 2 for count in calls.values())
            assert len(server.children()) == 2
