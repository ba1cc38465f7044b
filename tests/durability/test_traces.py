"""The server is killed while runs are in progress and traces are exported: each run has one complete trace."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.otlp import CollectorServer, ReceivedSpan, running_collector, shape
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server
from tests.support.receiver import Reply

KILLS = int(os.environ.get("STEPIQ_TEST_CYCLES", "3"))
_LEASE_SECONDS = 60
PIPELINE = """\
name: Chain
steps:
  - {id: ask, model: openai/gpt-4o-mini, prompt: one, retry: {max_attempts: 10, backoff_ms: 50}}
  - {id: n, type: transform, set: {n: 'steps.n.output == null ? 1 : steps.n.output.n + 1'}}
  - {id: again, type: condition, cases: [{if: steps.n.output.n < 3, goto: ask}]}
  - id: each
    type: parallel
    for_each: '[1, 2, 3]'
    steps:
      - {id: inner, model: openai/gpt-4o-mini, prompt: two, retry: {max_attempts: 10, backoff_ms: 50}}
  - {id: pause, type: wait, seconds: 0.2}
"""


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider(token_ms=20, tokens=8) as provider:
        yield provider


@pytest.fixture
async def collector() -> AsyncIterator[CollectorServer]:
    async with running_collector() as collector:
        yield collector


@pytest.fixture
async def server(
    settings: Settings, provider: RunningFakeProvider, collector: CollectorServer, tmp_path: Path
) -> AsyncIterator[ServerProcess]:
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
        "STEPIQ_OTLP_ENDPOINT": collector.url,
        "STEPIQ_OTLP_SIGNALS": "traces",
    }
    async with running_server(tmp_path, free_port(), environment) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(400 + 20 * KILLS)
async def test_each_run_has_one_complete_trace(server: ServerProcess, collector: CollectorServer):
    # Every third request is refused for the moment.
    accepted, busy = Reply(body=b""), Reply(503)
    collector.receiver.script = [busy if n % 3 == 2 else accepted for n in range(1000)]
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
        client.headers.update(await first_account(client, server.data))
        yaml = {"Content-Type": "application/yaml"}
        saved = await client.post("/api/pipelines", content=PIPELINE, headers=yaml)
        url = f"/api/pipelines/{saved.json()['id']}/run"
        run_ids = []
        for _ in range(KILLS):
            run_ids.append((await client.post(url, json={})).json()["id"])
            await asyncio.sleep(random.uniform(0.1, 1.5))  # noqa: S311 - not a secret
            await server.kill()
            await server.start()
        runs = [await _ended(client, run_id) for run_id in run_ids]

    for run in runs:
        assert run["status"] == "completed", run["error"]
        _check(await collector.trace_of(run["id"], 2 * _LEASE_SECONDS), run)


def _check(spans: list[ReceivedSpan], run: dict[str, Any]) -> None:
    paths = shape(spans)
    assert {span.trace_id for span in spans} == {run["id"].replace("-", "")}
    steps = [span for span in spans if span.name.startswith("step ")]
    executed = [
        tuple(
            span.attributes.get(f"stepiq.step.{name}", "") for name in ("id", "branch", "iteration")
        )
        for span in steps
    ]
    assert sorted(executed) == sorted(
        (step["step_id"], step["branch"], step["iteration"]) for step in run["steps"]
    )
    for span in steps:
        calls = [each for each in spans if each.parent_id == span.id]
        if span.attributes["stepiq.step.type"] == "llm":
            assert any(each.attributes["stepiq.operation.status"] == "completed" for each in calls)
        if span.name == "step inner":
            assert paths[span.id].endswith(" > step each > step inner")


async def _ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            run = (await client.get(f"/api/runs/{run_id}")).json()
            if run["status"] in ("completed", "failed", "cancelled"):
                return run
            await asyncio.sleep(0.1)
