"""Several processes on one PostgreSQL: workers that die, stand still, or are replaced, while others go on."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, WorkerProcess, first_account

CYCLES = int(os.environ.get("STEPIQ_TEST_CYCLES", "2"))
"""How often a worker is killed, and how often one is paused: 100 for the figures in docs/reliability.md."""
STEPS = 3
TAKEN_OVER_SECONDS = 10
PIPELINE = "name: Chain\nsteps:\n" + "".join(
    f"  - {{id: s{n}, model: openai/gpt-4o-mini, prompt: 'Step {n}', retry: {{max_attempts: 10, backoff_ms: 50}}}}\n"
    for n in range(STEPS)
)
FINAL = ("completed", "failed", "cancelled")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300 + 30 * CYCLES),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


@dataclass
class Cluster:
    """An API without a worker, and two workers."""

    api: ServerProcess
    workers: list[WorkerProcess]
    client: httpx2.AsyncClient
    provider: RunningFakeProvider
    pipeline_id: str = ""

    def slow_calls(self) -> None:
        """Let each call take about 0.3 s, and count calls from 0."""
        self.provider.reset()
        self.provider.configure(token_ms=40, tokens=8)

    async def run(self) -> str:
        """Start a run; its id."""
        answer = await self.client.post(f"/api/pipelines/{self.pipeline_id}/run", json={})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    async def holder(self, run_id: str) -> WorkerProcess:
        """The worker that has taken a run."""
        async with asyncio.timeout(60):
            while True:
                for worker in self.workers:
                    for line in worker.log.read_text().splitlines():
                        if run_id in line and '"run_started"' in line:
                            return worker
                await asyncio.sleep(0.02)

    async def get(self, path: str) -> Any:
        response = await self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def read(self, run_id: str) -> dict[str, Any]:
        return await self.get(f"/api/runs/{run_id}")

    async def ended(self, run_id: str, seconds: float = 60) -> dict[str, Any]:
        """A run, once it has ended."""
        async with asyncio.timeout(seconds):
            while (run := await self.read(run_id))["status"] not in FINAL:  # noqa: ASYNC110 - a stream is another test
                await asyncio.sleep(0.05)
        return run

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        return (await self.get(f"/api/runs/{run_id}/events?limit=100"))["data"]

    async def back(self, worker: WorkerProcess) -> None:
        """Until a worker that was paused has noticed that it was, and does new work again."""
        idle = next(each for each in self.workers if each is not worker)
        idle.pause()
        try:
            run_id = await self.run()
            assert await self.holder(run_id) is worker
            await self.ended(run_id)
        finally:
            idle.resume()

    async def called(self, steps: int) -> None:
        """Until the model was asked that often since `provider.reset`."""
        await asyncio.wait_for(self.provider.next_request(steps), 20)

    def calls(self, run_id: str) -> Counter[str]:
        keys = [each.headers["idempotency-key"] for each in self.provider.requests]
        return Counter(key for key in keys if key.startswith(run_id))

    async def check(self, run_id: str, *, repeated: int = 1) -> None:
        """Every step is there once, and only the one that was in flight was asked for again."""
        run = await self.ended(run_id)
        assert run["status"] == "completed", run["error"]
        assert [step["status"] for step in run["steps"]] == ["completed"] * STEPS
        calls = self.calls(run_id)
        assert set(calls) == {f"{run_id}:s{n}:1" for n in range(STEPS)}
        assert sum(count - 1 for count in calls.values()) <= repeated, calls
        numbers = [event["seq"] for event in await self.events(run_id)]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.fixture
async def cluster(
    settings: Settings, provider: RunningFakeProvider, tmp_path: Path
) -> AsyncIterator[Cluster]:
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }
    api = ServerProcess(tmp_path, free_port(), environment, "--no-worker")
    workers = [WorkerProcess(tmp_path, f"worker-{n}", environment) for n in range(2)]
    try:
        await asyncio.gather(api.start(), *(worker.start() for worker in workers))
        async with httpx2.AsyncClient(base_url=api.url, timeout=30) as client:
            client.headers.update(await first_account(client, tmp_path / "data"))
            headers = {"Content-Type": "application/yaml"}
            made = await client.post("/api/pipelines", content=PIPELINE, headers=headers)
            made.raise_for_status()
            yield Cluster(api, workers, client, provider, made.json()["id"])
    finally:
        for process in (api, *workers):
            await process.kill()


async def listen(cluster: Cluster, run_id: str) -> list[tuple[str, float]]:
    """Follow a run at the API: each event's type, and when it was heard."""
    heard: list[tuple[str, float]] = []
    async with cluster.client.stream("GET", f"/api/runs/{run_id}/stream") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                heard.append((line[7:], time.monotonic()))
    return heard


class TestKill:
    async def test_the_other_worker_continues_within_ten_seconds(self, cluster: Cluster):
        for _ in range(CYCLES):
            cluster.slow_calls()
            run_id = await cluster.run()
            listening = asyncio.create_task(listen(cluster, run_id))
            worker = await cluster.holder(run_id)
            await cluster.called(2)

            await worker.kill()
            killed = time.monotonic()
            await cluster.called(3)

            assert time.monotonic() - killed < TAKEN_OVER_SECONDS
            await cluster.check(run_id)
            heard = await asyncio.wait_for(listening, 60)
            recorded = [event["type"] for event in await cluster.events(run_id)]
            assert [kind for kind, _ in heard if kind != "step.delta"] == recorded
            assert "step.delta" in dict(heard)
            await worker.start()


class TestPause:
    async def test_a_worker_that_wakes_too_late_changes_nothing(self, cluster: Cluster):
        for _ in range(CYCLES):
            cluster.slow_calls()
            run_id = await cluster.run()
            worker = await cluster.holder(run_id)
            await cluster.called(2)

            worker.pause()
            paused = time.monotonic()
            await cluster.called(3)
            assert time.monotonic() - paused < TAKEN_OVER_SECONDS
            await cluster.check(run_id)
            before = await cluster.read(run_id), await cluster.events(run_id)
            worker.resume()
            await cluster.back(worker)

            assert (await cluster.read(run_id), await cluster.events(run_id)) == before


class TestCancel:
    async def test_a_run_that_another_process_executes_ends_before_the_next_piece(
        self, cluster: Cluster
    ):
        cluster.provider.configure(token_ms=60_000)
        run_id = await cluster.run()
        await cluster.called(1)

        (await cluster.client.post(f"/api/runs/{run_id}/cancel")).raise_for_status()

        # Within a second on an idle machine. Without a notification, the call would last until the next piece.
        await asyncio.wait_for(cluster.provider.requests[0].ended.wait(), 20)
        assert (await cluster.read(run_id))["status"] == "cancelled"


class TestReplace:
    async def test_runs_do_not_wait_for_a_worker_that_lets_its_calls_end(self, cluster: Cluster):
        cluster.provider.configure(token_ms=20)
        with cluster.provider.holding(1) as allow:
            allow(1)
            held = await cluster.run()
            leaving = await cluster.holder(held)
            await cluster.called(1)
            stopping = asyncio.create_task(leaving.terminate())

            for run_id in [await cluster.run() for _ in range(10)]:
                await cluster.check(run_id, repeated=0)

            assert not stopping.done()
        assert '"tickets_not_started"' not in leaving.log.read_text()
        assert await stopping == 0

    async def test_workers_replaced_one_after_the_other_under_load_lose_nothing(
        self, cluster: Cluster
    ):
        cluster.provider.configure(token_ms=20, tokens=8)
        begun: list[str] = []
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                begun.append(await cluster.run())
                await asyncio.sleep(0.1)

        loading = asyncio.create_task(load())
        for worker in cluster.workers:
            assert await worker.terminate() == 0
            await worker.start()
        stop.set()
        await loading

        assert len(begun) > 5
        # A drained worker lets its calls end: nothing is asked for twice.
        for run_id in begun:
            await cluster.check(run_id, repeated=0)
