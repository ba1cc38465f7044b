"""Secrets that a run reads are in the audit log, once for each run and secret."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from stepiq.accounts.audit.recording import EntryBatcher
from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core.keys.encryption import Keyring
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.store.pubsub import run_topic

SOURCE = """
name: Reads
steps:
  - {id: first, type: transform, template: "{{env.TOKEN}}"}
  - {id: check, type: human_review, message: "OK?"}
  - {id: last, type: transform, template: "{{env.TOKEN}} {{default env.OTHER 'none'}}"}
"""
PLAIN = "name: Plain\nsteps: [{id: a, type: transform, template: x}]"


@pytest.fixture
async def engine(database, changes, providers, http, settings) -> AsyncIterator[Engine]:
    secrets = StoredSecrets(Keyring(settings), entries=EntryBatcher(database))
    engine = Engine(database, changes, providers, Plans.load({}), http, secrets=secrets)
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


@pytest.fixture
def until(owner: httpx2.AsyncClient, changes):
    async def until(run_id: str, status: str) -> dict[str, Any]:
        async with asyncio.timeout(20), changes.subscribe(run_topic(UUID(run_id))) as heard:
            while (run := (await owner.get(f"/api/runs/{run_id}")).json())["status"] != status:
                await heard.next()
        return run

    return until


async def start(client: httpx2.AsyncClient, source: str) -> str:
    yaml = {"Content-Type": "application/yaml"}
    made = await client.post("/api/pipelines", content=source, headers=yaml)
    return (await client.post(f"/api/pipelines/{made.json()['id']}/run", json={})).json()["id"]


async def reads(client: httpx2.AsyncClient) -> list[tuple[str, str, str]]:
    found = (await client.get("/api/audit?action=secret.read")).json()["data"]
    return [(each["actor"]["id"], each["actor"]["name"], each["target"]["name"]) for each in found]


@pytest.mark.both_stores
async def test_a_run_that_is_claimed_twice_has_one_entry_for_each_secret(owner, until):
    await owner.post("/api/user/secrets", json={"name": "TOKEN", "value": "a value of it"})
    run_id = await start(owner, SOURCE)
    await until(run_id, "waiting")
    assert await reads(owner) == [(run_id, "Reads", "TOKEN")]
    await owner.post("/api/user/secrets", json={"name": "OTHER", "value": "another value"})

    await owner.post(f"/api/runs/{run_id}/reviews/check", json={"decision": "approve"})

    await until(run_id, "completed")
    assert await reads(owner) == [(run_id, "Reads", "OTHER"), (run_id, "Reads", "TOKEN")]


async def test_a_run_without_secrets_has_none(owner, until):
    await owner.post("/api/user/secrets", json={"name": "TOKEN", "value": "a value of it"})

    await until(await start(owner, PLAIN), "completed")

    assert await reads(owner) == []
