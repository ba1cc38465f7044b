"""A server moves from SQLite to PostgreSQL with a backup, and continues where it was killed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.backups.conftest import FILE
from tests.cli.conftest import Command
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import first_account, running_server
from tests.support.receiver import Receiver, running_receiver
from tests.support.stores import PostgresStores

pytestmark = pytest.mark.slow

_FINAL = ("completed", "failed", "cancelled")
_DEFINITION = """\
name: Every type
steps:
  - {id: t, type: transform, set: {n: '1 + 1'}}
  - {id: c, type: condition, cases: [{if: steps.t.output.n == 2, goto: p}]}
  - id: p
    type: parallel
    for_each: '[1, 2]'
    steps:
      - {id: x, type: webhook, method: POST, url: 'URL/x{{item}}'}
  - {id: s, type: code, language: python, source: 'def main(i): return 3'}
  - {id: w, type: wait, seconds: 0.1}
  - {id: m, model: openai/gpt-4o-mini, prompt: one}
  - {id: r, type: human_review, message: Good?}
  - {id: e, type: webhook, method: POST, url: 'URL/end', headers: {X-Token: '{{env.TOKEN}}'}}
"""
"""A run of it waits for a review after a step of every other type."""
_SLOW = """\
name: Slow
steps:
  - {id: a, model: openai/gpt-4o-mini, prompt: slow, retry: {max_attempts: 5, backoff_ms: 50}}
  - {id: b, type: transform, template: 'done'}
"""


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


async def test_runs_continue_on_postgresql(
    command: Command,
    tmp_path: Path,
    postgres_stores: PostgresStores,
    provider: RunningFakeProvider,
    receiver: Receiver,
):
    port = free_port()
    environment = {
        "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }
    async with (
        running_server(tmp_path, port, environment) as server,
        httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
    ):
        client.headers.update(await first_account(client, server.data))
        secret = {"name": "TOKEN", "value": "of-the-secret"}
        (await client.post("/api/user/secrets", json=secret)).raise_for_status()
        waiting = await _start(client, _DEFINITION.replace("URL", receiver.url))
        await _until(client, waiting, "waiting")
        provider.configure(latency_ms=60_000)
        interrupted = await _start(client, _SLOW)
        await provider.next_request(2)
        before = await _shown(client, waiting)
        await server.kill()

    made = await command("backup", FILE)
    target = postgres_stores.create_empty()
    command.environment |= {"STEPIQ_DATABASE_URL": target, "STEPIQ_ALLOW_UNSAFE_STORE": "true"}
    restored = await command("restore", FILE)
    provider.configure(latency_ms=0)
    async with (
        running_server(tmp_path, port, {**environment, "STEPIQ_DATABASE_URL": target}) as server,
        httpx2.AsyncClient(base_url=server.url, timeout=30, headers=client.headers) as client,
    ):
        after = await _shown(client, waiting)
        again = await _start(client, _DEFINITION.replace("URL", receiver.url))
        decision = {"decision": "approve"}
        approved = await client.post(f"/api/runs/{waiting}/reviews/r", json=decision)
        ended = [await _until(client, run_id, *_FINAL) for run_id in (waiting, interrupted)]
        verified = await command("audit", "verify")
    postgres_stores.drop(target)

    assert (made.code, restored.code) == (0, 0), restored.err
    assert after == before
    assert again == waiting
    assert approved.status_code == 200, approved.text
    assert [run["status"] for run in ended] == ["completed", "completed"], ended
    assert {step["status"] for step in ended[0]["steps"]} == {"completed"}
    (last,) = [each for each in receiver.received if each.path.endswith("/end")]
    assert last.headers["x-token"] == "of-the-secret"
    # Once each: recorded calls are not repeated.
    assert sorted(each.path for each in receiver.received) == ["/end", "/x1", "/x2"]
    assert verified.code == 0, verified.err
    assert "sk-test" not in made.out + made.err


async def _start(client: httpx2.AsyncClient, text: str) -> str:
    """Start a run of a pipeline, which is created. With the same text again, it is the same run."""
    slug = "slow" if text == _SLOW else "every"
    created = await client.post("/api/pipelines", json={"slug": slug, "text": text})
    assert created.status_code in (201, 409), created.text
    headers = {"Idempotency-Key": f"first-{slug}"}
    path = f"/api/pipelines/{slug}/run"
    answer = await client.post(path, json={"input_data": {}}, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def _shown(client: httpx2.AsyncClient, run_id: str) -> list[Any]:
    """What the API shows of a run, its steps, events and calls and of its workspace."""
    steps = (await client.get(f"/api/runs/{run_id}")).json()["steps"]
    paths = [
        f"/api/runs/{run_id}",
        f"/api/runs/{run_id}/events",
        *(f"/api/runs/{run_id}/steps/{step['step_id']}" for step in steps if not step["branch"]),
        "/api/pipelines/every",
        "/api/pipelines/every/versions/1",
        "/api/reviews",
        "/api/user/secrets",
        "/api/user/me",
    ]
    answers = [await client.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}, answers
    return [answer.json() for answer in answers]


async def _until(client: httpx2.AsyncClient, run_id: str, *statuses: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run = (await client.get(f"/api/runs/{run_id}")).json()
            if run["status"] in statuses:
                return run
            await asyncio.sleep(0.05)
