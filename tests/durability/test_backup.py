"""A server is lost with a run in flight; what was backed up goes on elsewhere."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.conftest import Command
from tests.support import postgres
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import first_account, running_server
from tests.support.stores import PostgresStores

PIPELINE = """\
name: Chain
steps:
  - {id: first, model: openai/gpt-4o-mini, prompt: First}
  - {id: second, model: openai/gpt-4o-mini, prompt: Second}
"""


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider(latency_ms=500) as provider:
        yield provider


@pytest.mark.slow
@pytest.mark.timeout(400)
class TestRestored:
    async def test_a_run_in_flight_goes_on_behind_its_last_recorded_step(
        self,
        database_url: str,
        provider: RunningFakeProvider,
        tmp_path: Path,
        request: pytest.FixtureRequest,
    ):
        asked = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.url}
        old, new = tmp_path / "old", tmp_path / "new"
        for folder in (old, new):
            folder.mkdir()
        there = asked | {"STEPIQ_DATABASE_URL": database_url}
        async with (
            running_server(old, free_port(), there) as server,
            httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
        ):
            headers = await first_account(client, old / "data")
            client.headers.update(headers)
            yaml = {"Content-Type": "application/yaml"}
            made = await client.post("/api/pipelines", content=PIPELINE, headers=yaml)
            run_id = (await client.post(f"/api/pipelines/{made.json()['id']}/run", json={})).json()["id"]  # fmt: skip
            await provider.next_request()
            provider.configure(latency_ms=60_000)
            await provider.next_request(2)
            await _back_up(database_url, old, tmp_path / "backup")
            await server.kill()
        provider.configure(latency_ms=0)

        url = self._empty(database_url, new, request)
        if not url.startswith("sqlite"):
            # A dump does not contain the keys of the server.
            shutil.copytree(old / "data", new / "data")
        await _restore(url, new, tmp_path / "backup")
        async with (
            running_server(new, free_port(), asked | {"STEPIQ_DATABASE_URL": url}) as server,
            httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client,
        ):
            async with client.stream("GET", f"/api/runs/{run_id}/stream") as answer:
                await answer.aread()
            run = (await client.get(f"/api/runs/{run_id}")).json()

        assert run["status"] == "completed"
        keys = [request.headers["idempotency-key"] for request in provider.requests]
        assert keys == [f"{run_id}:first:1", f"{run_id}:second:1", f"{run_id}:second:1"]

    def _empty(self, database_url: str, folder: Path, request: pytest.FixtureRequest) -> str:
        if database_url.startswith("sqlite"):
            return f"sqlite:///{folder / 'stepiq.db'}"
        stores = request.getfixturevalue("postgres_stores")
        assert isinstance(stores, PostgresStores)
        url = stores.create_empty()
        request.addfinalizer(lambda: stores.drop(url))
        return url


async def _back_up(url: str, folder: Path, file: Path) -> None:
    if url.startswith("sqlite"):
        await _stepiq(folder, url, "backup", str(file))
    else:
        await _postgres("pg_dump", "--format=custom", f"--file={file}", url)


async def _restore(url: str, folder: Path, file: Path) -> None:
    if url.startswith("sqlite"):
        await _stepiq(folder, url, "restore", str(file))
    else:
        await _postgres("pg_restore", "--single-transaction", f"--dbname={url}", str(file))


async def _stepiq(folder: Path, url: str, *arguments: str) -> None:
    command = Command(folder)
    command.environment["STEPIQ_DATABASE_URL"] = url
    said = await command(*arguments)
    assert said.code == 0, said.err


async def _postgres(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(postgres.find(program), *arguments)
    assert await process.wait() == 0
