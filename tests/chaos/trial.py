"""One trial from its plan to its evidence."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2

from tests.chaos import evidence as reading
from tests.chaos.clients import Clients
from tests.chaos.cluster import Cluster
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Faults
from tests.chaos.hostile import Crowd, silent
from tests.chaos.http_server import serving
from tests.chaos.ledger import Ledger
from tests.chaos.model import running_model
from tests.chaos.pipelines import SECRET, SECRET_NAME, pipelines
from tests.chaos.plan import Moment, Plan, RunPlan
from tests.chaos.receiver import running_receiver
from tests.support.process import first_account

_PATIENCE_SECONDS = 240
"""Longer than promised, to distinguish late results from lost ones."""
_UNFINISHED = "/api/runs?status=pending&status=running&limit={}"
_BACKLOG = 100
"""Number of unfinished runs above which no more runs are started. Hostile workspaces get an equal share of it."""
_GATHER_SECONDS = 900
_READERS = 8
_LATEST = 5
"""Number of recent process starts that determine the current slowness of the machine."""

Tell = Callable[[str], None]


class Trial:
    """Injects the planned faults into a cluster in use, waits until all runs have ended, and collects the evidence."""

    def __init__(self, plan: Plan, folder: Path, tell: Tell) -> None:
        self._plan = plan
        self._options = plan.options
        self._folder = folder
        self._tell = tell
        self._ledger = Ledger(folder / "ledger.jsonl")
        self._ids: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def run(self) -> Evidence:
        """Run the trial. All started processes have ended when this returns."""
        seed = self._options.seed
        async with AsyncExitStack() as stack:
            stack.callback(self._ledger.close)
            receiver = await stack.enter_async_context(running_receiver(self._ledger, seed))
            model = await stack.enter_async_context(running_model(self._ledger, seed))
            environment = {"OPENAI_API_KEY": "sk-chaos", "OPENAI_BASE_URL": model}
            cluster = Cluster(self._options, self._folder, self._ledger, environment)
            stack.push_async_callback(cluster.close)
            await cluster.start()
            clients = Clients(cluster, await _account(cluster), seed)
            stack.push_async_callback(clients.close)
            self._ids, schedule_id = await self._prepare(clients, receiver)
            crowd = Crowd(cluster, await stack.enter_async_context(serving(silent)))
            stack.push_async_callback(crowd.close)
            await crowd.register(self._options.hostile)
            crowd.attack()
            await self._break(cluster, clients)
            await self._settle(clients, crowd)
            async with asyncio.timeout(_GATHER_SECONDS):
                found = await self._gather(clients, schedule_id)
        found.logs = {n.name: reading.read_log(n.log) for n in cluster.nodes}
        found.mails = reading.read_mails(cluster.data)
        return found

    async def _prepare(self, clients: Clients, receiver: str) -> tuple[dict[str, str], str]:
        await clients.create("/api/user/secrets", {"name": SECRET_NAME, "value": SECRET})
        ids = {
            name: (await clients.create("/api/pipelines", {"definition": each.definition}))["id"]
            for name, each in pipelines(receiver).items()
        }
        every_minute = {
            "name": "chaos",
            "cron_expression": "* * * * *",
            "input_data": {"tag": "cron"},
        }
        schedule = await clients.create(f"/api/pipelines/{ids['shape']}/schedules", every_minute)
        return ids, schedule["id"]

    async def _break(self, cluster: Cluster, clients: Clients) -> None:
        faults = Faults(cluster)
        end = time.monotonic() + self._options.minutes * 60
        backlog = asyncio.create_task(self._watch_backlog(clients))
        for number, moment in enumerate(self._plan.moments, 1):
            await self._pass(cluster, clients, moment)
            await faults.strike(moment.fault)
            if number % 25 == 0:
                self._tell(
                    f"{faults.kills} kills, {len(self._ledger.of('accepted'))} runs accepted"
                )
            if time.monotonic() > end:
                break
        backlog.cancel()
        await faults.mended()
        self._ledger.note("calm")
        self._tell(f"{faults.kills} kills are over; waiting for what has been started to end")

    async def _pass(self, cluster: Cluster, clients: Clients, moment: Moment) -> None:
        await self._has_room.wait()
        if len(cluster.nodes) == 1 and not moment.fault.is_early:
            # Otherwise the only process could be killed again before it has done any work.
            await cluster.until_ready()
        seconds = moment.seconds * reading.slowness(reading.starts(self._ledger.records)[-_LATEST:])
        for plan in moment.runs:
            task = asyncio.create_task(self._start(clients, plan.offset * seconds, plan))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.sleep(seconds)

    async def _start(self, clients: Clients, after: float, plan: RunPlan) -> None:
        await asyncio.sleep(after)
        await clients.run(plan, self._ids[plan.pipeline])

    async def _watch_backlog(self, clients: Clients) -> None:
        # A larger backlog would test the speed of the machine instead of the promises. Each workspace has the same share
        # of the machine.
        most = max(1, _BACKLOG // (1 + self._options.hostile))
        while True:
            page = await clients.get(_UNFINISHED.format(most))
            if page["next_cursor"] is None:
                self._has_room.set()
            else:
                self._has_room.clear()
            await asyncio.sleep(1)

    async def _settle(self, clients: Clients, crowd: Crowd) -> None:
        """Wait, with a time limit, until every client is served, every run has ended and every delivery is final."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await asyncio.gather(self._all_over(clients), crowd.stop())
        except TimeoutError:
            self._tell("not everything has ended")
            for task in list(self._running):
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _all_over(self, clients: Clients) -> None:
        # Clients first, because a client that retries may still start a run.
        await asyncio.gather(*self._running)
        while (await clients.get(_UNFINISHED.format(1)))["data"]:
            await asyncio.sleep(0.2)
        for pipeline_id in self._ids.values():
            pending = f"/api/pipelines/{pipeline_id}/deliveries?status=pending"
            while (await clients.get(pending))["data"]:
                await asyncio.sleep(0.2)
        self._ledger.note("settled")

    async def _gather(self, clients: Clients, schedule_id: str) -> Evidence:
        await clients.create(f"/api/schedules/{schedule_id}/disable", {})
        listed = await clients.everything("/api/runs")
        found = Evidence(self._options, self._ledger.records, listed)
        found.ticks = await clients.everything(f"/api/schedules/{schedule_id}/ticks")
        turn = asyncio.Semaphore(_READERS)

        async def read(run_id: str) -> None:
            async with turn:
                path = f"/api/runs/{run_id}"
                found.details[run_id] = await clients.get(path)
                found.events[run_id] = await clients.everything(f"{path}/events")
                found.deliveries[run_id] = await clients.everything(f"{path}/deliveries")

        await asyncio.gather(*(read(run["id"]) for run in listed))
        return found


async def _account(cluster: Cluster) -> dict[str, Any]:
    async with httpx2.AsyncClient(base_url=cluster.apis[0].url, timeout=30) as client:
        return await first_account(client, cluster.data)
