"""The server is killed while steps of every type are under way: all go on, and nothing that was recorded is done again."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server
from tests.support.receiver import Receiver, Reply, running_receiver

KILLS = int(os.environ.get("STEPIQ_TEST_CYCLES", "4"))
_RETRY = "retry: {max_attempts: 10, backoff_ms: 50}"
# A call that left before its step's end was recorded may arrive a moment after.
_TRAVEL = timedelta(seconds=0.2)

PIPELINES = {
    "llm": "  - {id: a, model: openai/gpt-4o-mini, prompt: one, RETRY}\n"
    "  - {id: b, model: openai/gpt-4o-mini, prompt: two, RETRY}\n",
    "webhook": "".join(
        f"  - {{id: w{n}, type: webhook, method: POST, url: URL/w{n}, RETRY}}\n" for n in range(5)
    ),
    "transform": "  - {id: w, type: webhook, method: POST, url: URL/w, RETRY}\n"
    "  - {id: n, type: transform, set: {n: 'steps.n.output == null ? 1 : steps.n.output.n + 1'},"
    " on_condition: [{if: steps.n.output.n < 5, goto: w}]}\n",
    "condition": "  - {id: w, type: webhook, method: POST, url: URL/w, RETRY}\n"
    "  - {id: n, type: transform, set: {n: 'steps.n.output == null ? 1 : steps.n.output.n + 1'}}\n"
    "  - {id: c, type: condition, cases: [{if: steps.n.output.n < 5, goto: w}]}\n",
    "parallel": "  - id: p\n    type: parallel\n    for_each: '[1, 2, 3, 4, 5, 6, 7, 8]'\n    max_concurrency: 3\n    steps:\n"
    "      - {id: w, type: webhook, method: POST, url: 'URL/{{item}}', RETRY}\n"
    "      - {id: x, type: webhook, method: POST, url: 'URL/x{{item}}', RETRY}\n",
    "code": "".join(
        f"  - {{id: c{n}, type: code, language: {language}, source: '{source}'}}\n"
        f"  - {{id: w{n}, type: webhook, method: POST, url: 'URL/{{{{steps.c{n}.output}}}}', RETRY}}\n"
        for n, (language, source) in enumerate(
            [
                ("python", "def main(i): return len([n for n in range(300000)])"),
                ("javascript", "function main(i) { let n = 0; while (n < 3000000) n++; return n }"),
            ]
        )
    ),
    "wait": "  - {id: w, type: webhook, method: POST, url: URL/w, RETRY}\n"
    "  - {id: p, type: wait, seconds: 0.4}\n"
    "  - {id: x, type: webhook, method: POST, url: URL/x, RETRY}\n"
    "  - {id: q, type: wait, seconds: 0.4}\n",
    "human_review": "  - {id: w, type: webhook, method: POST, url: URL/w, RETRY}\n"
    "  - {id: r, type: human_review, message: Good?}\n"
    "  - {id: x, type: webhook, method: POST, url: URL/x, RETRY}\n",
}


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider(token_ms=40, tokens=8) as provider:
        yield provider


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        receiver.reply_with(Reply(body=b"ok", delay=0.15))
        yield receiver


@pytest.fixture
async def server(
    settings: Settings, provider: RunningFakeProvider, tmp_path: Path
) -> AsyncIterator[ServerProcess]:
    port = free_port()
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }
    async with running_server(tmp_path, port, environment) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * KILLS)
async def test_every_type_of_step_survives(
    server: ServerProcess, provider: RunningFakeProvider, receiver: Receiver
):
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
        client.headers.update(await first_account(client, server.data))
        pipelines = {
            kind: await _create(client, kind, steps.replace("URL", receiver.url))
            for kind, steps in PIPELINES.items()
        }
        under_way: dict[str, str] = {}
        runs: list[tuple[str, str]] = []
        for _ in range(KILLS):
            for kind, pipeline_id in pipelines.items():
                if kind not in under_way:
                    answer = await client.post(f"/api/pipelines/{pipeline_id}/run", json={})
                    under_way[kind] = answer.json()["id"]
                    runs.append((kind, under_way[kind]))
            await _approve(client)
            # Anywhere in steps that take some tenths of a second.
            await asyncio.sleep(random.uniform(0.05, 0.8))  # noqa: S311 - not a secret
            await server.kill()
            await server.start()
            for kind, run_id in list(under_way.items()):
                run = (await client.get(f"/api/runs/{run_id}")).json()
                if run["status"] == "completed":
                    del under_way[kind]

        for kind, run_id in runs:
            run = await _ended(client, run_id)
            assert run["status"] == "completed", (kind, run["error"])
            assert {step["status"] for step in run["steps"]} == {"completed"}, kind
            _check(run, receiver)
        # Each run of models has asked twice; what was in flight at a kill, once more at most.
        asked = Counter(r.headers["idempotency-key"] for r in provider.requests)
        assert len(asked) == 2 * sum(kind == "llm" for kind, _ in runs)
        assert sum(asked.values()) <= len(asked) + KILLS


async def _create(client: httpx2.AsyncClient, kind: str, steps: str) -> str:
    source = f"name: {kind}\nsteps:\n{steps}".replace("RETRY", _RETRY)
    answer = await client.post(
        "/api/pipelines", content=source, headers={"Content-Type": "application/yaml"}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def _approve(client: httpx2.AsyncClient) -> None:
    for review in (await client.get("/api/reviews")).json()["data"]:
        answer = await client.post(
            f"/api/runs/{review['run_id']}/reviews/{review['step_id']}",
            json={"decision": "approve"},
        )
        assert answer.status_code in (200, 409), answer.text


async def _ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            run = (await client.get(f"/api/runs/{run_id}")).json()
            if run["status"] in ("completed", "failed", "cancelled"):
                return run
            await _approve(client)
            await asyncio.sleep(0.1)


def _check(run: dict[str, Any], receiver: Receiver) -> None:
    """What was recorded was not done again, and all that was to be done was done."""
    for step in run["steps"]:
        if step["type"] != "webhook":
            continue
        parts = [run["id"], step["step_id"], step["branch"], str(step["iteration"])]
        key = ":".join(part for part in parts if part)
        calls = [r.wall for r in receiver.received if r.headers["idempotency-key"] == key]
        recorded = datetime.fromisoformat(step["completed_at"])
        assert calls, key
        assert max(calls) <= recorded + _TRAVEL, key
