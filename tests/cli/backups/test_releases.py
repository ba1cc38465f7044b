"""This version reads and continues the data of every release, on both databases."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx2
import pytest

from tests.cli.conftest import Command
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import running_server
from tests.support.receiver import running_receiver
from tests.support.release_data import (
    FOLDER,
    LOGIN,
    SECRET,
    environment,
    missing,
    shown,
    until,
)
from tests.support.stores import PostgresStores

RELEASES = sorted(folder.name for folder in FOLDER.iterdir())
USING_THE_SECRET = """\
name: Using the secret
steps: [{id: x, type: webhook, method: POST, url: 'URL/secret', headers: {X-Token: '{{env.TOKEN}}'}}]
"""


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


class TestMissing:
    def test_later_versions_can_add_fields_but_not_change_any(self):
        old: dict[str, Any] = {"a": 1, "b": [{"c": 2}], "d": 3}

        assert missing(old, {**old, "new": 1}) == []
        assert missing(old, {"a": 2, "b": [{"c": 3, "e": 4}]}) == [
            ".a: 1 became 2", ".b[0].c: 2 became 3", ".d: 3 became '(missing)'",
        ]  # fmt: skip
        assert missing({"a": [1]}, {"a": [1, 2]}) == [".a: [1] became [1, 2]"]


def test_the_data_is_small():
    for release in RELEASES:
        assert sum(file.stat().st_size for file in (FOLDER / release).iterdir()) < 300_000


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_the_data_of_a_release_is_the_same_and_its_runs_continue(
    release: str, store: str, command: Command, tmp_path: Path, postgres_stores: PostgresStores, provider: RunningFakeProvider
):  # fmt: skip
    expected = json.loads((FOLDER / release / "expected.json").read_text())
    settings, backup = environment(provider), FOLDER / release / "backup.zip"
    # Now, the review that a run waits for has expired.
    recorded_at = json.loads(ZipFile(backup).read("manifest.json"))["created_at"]
    target = postgres_stores.create_empty() if store == "postgresql" else ""
    if target:
        settings |= {"STEPIQ_DATABASE_URL": target, "STEPIQ_ALLOW_UNSAFE_STORE": "true"}
    command.environment |= settings

    restored = await command("restore", str(backup))

    assert restored.code == 0, restored.err
    async with (
        running_server(tmp_path, free_port(), settings, recorded_at) as server,
        running_receiver() as receiver,
        httpx2.AsyncClient(base_url=server.url, timeout=30, headers={"X-API-Key": expected["key"]}) as client,
    ):  # fmt: skip
        after = await shown(client, expected["runs"])
        login = await client.post("/api/auth/login", json=LOGIN)
        waiting = expected["runs"]["waiting"]
        approved = await client.post(f"/api/runs/{waiting}/reviews/r", json={"decision": "approve"})
        ended = await until(client, waiting, "completed")
        retried = await client.post(f"/api/runs/{expected['runs']['failed']}/retry", json={})
        text = USING_THE_SECRET.replace("URL", receiver.url)
        await client.post("/api/pipelines", json={"slug": "secret", "text": text})
        started = await client.post("/api/pipelines/secret/run", json={"input_data": {}})
        await until(client, started.json()["id"], "completed")
        verified = await command("audit", "verify")
    if target:
        postgres_stores.drop(target)

    assert missing(expected["shown"], after) == []
    assert (login.status_code, approved.status_code, retried.status_code) == (200, 200, 202)
    assert ended["output"]
    (request,) = [each for each in receiver.received if each.path == "/secret"]
    assert request.headers["x-token"] == SECRET
    assert verified.code == 0, verified.err
