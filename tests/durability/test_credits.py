"""Processes are killed during model calls: the limit of credits holds, and nothing stays reserved."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from stepiq.store.tables import run_steps, workspaces
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import Process, ServerProcess, WorkerProcess, first_account

KILLS = 4
RUNS = 4
CREDITS = 40
CONFIG = f'[plans.enterprise]\ncredits_per_month = {CREDITS}\nruns_at_once = "unlimited"\n'
PIPELINE = """\
name: Each
steps:
  - id: each
    type: parallel
    for_each: input.items
    max_concurrency: 3
    on_branch_error: continue
    steps: [{id: ask, model: openai/gpt-4o-mini, prompt: x, max_tokens: 1500, retry: {max_attempts: 1}}]
"""
FINAL = ("completed", "failed", "cancelled")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider(
        token_ms=150, tokens=4, input_tokens=20, output_tokens=180
    ) as provider:
        yield provider


@asynccontextmanager
async def processes(
    settings: Settings, provider: RunningFakeProvider, folder: Path
) -> AsyncIterator[tuple[str, list[Process]]]:
    """The address of the API, and the processes that execute runs: one server on SQLite, two workers on PostgreSQL."""
    (folder / "stepiq.toml").write_text(CONFIG)
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }
    is_sqlite = settings.database_url.startswith("sqlite")
    api = ServerProcess(folder, free_port(), environment, *([] if is_sqlite else ["--no-worker"]))
    workers: list[Process] = (
        [api] if is_sqlite else [WorkerProcess(folder, f"w{n}", environment) for n in range(2)]
    )
    async with AsyncExitStack() as stack:
        every = {api, *workers}
        for process in every:
            stack.push_async_callback(process.kill)
        await asyncio.gather(*(process.start() for process in every))
        yield api.url, workers


class TestKill:
    async def test_the_limit_holds_and_nothing_stays_reserved(
        self, settings: Settings, provider: RunningFakeProvider, database: Database, tmp_path: Path
    ):
        async with (
            processes(settings, provider, tmp_path) as (url, workers),
            httpx2.AsyncClient(base_url=url, timeout=30) as client,
        ):
            client.headers.update(await first_account(client, tmp_path / "data"))
            yaml = {"Content-Type": "application/yaml"}
            made = await client.post("/api/pipelines", content=PIPELINE, headers=yaml)
            run = f"/api/pipelines/{made.json()['id']}/run"
            begun = [
                (await client.post(run, json={"input_data": {"items": [0] * 80}})).json()["id"]
                for _ in range(RUNS)
            ]

            for kill in range(KILLS):
                await asyncio.wait_for(provider.next_request(len(provider.requests) + 1), 30)
                # Anywhere in the calls, which take about 0.6 s.
                await asyncio.sleep(random.uniform(0, 0.7))  # noqa: S311 - not a secret
                worker = workers[kill % len(workers)]
                await worker.kill()
                await check(database)
                await worker.start()
            # Nothing is killed in the calls that are left.
            provider.configure(token_ms=0)
            for run_id in begun:
                await ended(client, run_id)

        used, reserved = await check(database)
        assert reserved == 0
        # Each call reserves about 2,000 tokens and uses 200: the last one that fits leaves less than that.
        assert CREDITS * 1_000 - 2_100 < used <= CREDITS * 1_000


async def ended(client: httpx2.AsyncClient, run_id: str) -> None:
    async with asyncio.timeout(120):
        while (await client.get(f"/api/runs/{run_id}")).json()["status"] not in FINAL:  # noqa: ASYNC110 - another process ends it
            await asyncio.sleep(0.1)


async def check(database: Database) -> tuple[int, int]:
    """Used and reserved tokens, which agree with the steps and are within the limit."""
    async with database.reading() as session:
        row = (
            await session.execute(
                sa.select(
                    workspaces.c.credit_tokens,
                    workspaces.c.credit_reserved,
                    sa.select(sa.func.coalesce(sa.func.sum(run_steps.c.reserved_tokens), 0))
                    .scalar_subquery()
                    .label("held"),
                )
            )
        ).one()
    assert row.credit_reserved == row.held
    assert row.credit_tokens + row.credit_reserved <= CREDITS * 1_000
    return row.credit_tokens, row.credit_reserved
