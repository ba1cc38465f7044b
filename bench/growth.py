"""Measure whether a million runs in the table make anything slower; see README.md beside this file.

CPU is the server's, for one request: it says more than the time where others use the machine, too.

Usage: python bench/growth.py [--runs 1000000] [--database-url URL]
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))
import run as bench
from client import Connection

from stepiq.core import clock, settings
from stepiq.store.database import Database
from stepiq.store.tables import run_steps, runs, usage_days, workspaces

# Every limit is set, and one slot: while a run holds it, accepting is all that happens.
PLAN = """\
[plans.measured]
extends = "pro"
runs_per_day = 100_000_000
credits_per_month = 100_000_000
pipelines = 3
requests_per_minute = "unlimited"
runs_at_once = 1
runs_queued = 100_000_000
"""
ACCEPTS = 400
SENDERS = 8
REQUESTS = 40
BATCH = 20_000
STEPS_OF = 10
"""Every tenth run that is written has two steps."""
DAYS = 30
STATUSES = ("completed",) * 17 + ("failed", "failed", "cancelled")
TRIGGERS = ("webhook",) * 5 + ("api", "api", "manual", "cron", "retry")

Figures = dict[str, str]


async def main(total: int, database_url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stepiq-growth-") as name:
        folder = Path(name)
        config = folder / "stepiq.toml"
        config.write_text(PLAN)
        os.environ["STEPIQ_CONFIG_FILE"] = str(config)
        store = Database(
            settings.load(data_dir=folder, database_url=database_url, config_file=config)
        )
        async with (
            bench.provider() as provider,
            bench.server(folder, database_url, provider, {}) as target,
        ):
            quick = await bench.pipeline(target, "quick", bench.TRANSFORM, 1)
            slow = await bench.pipeline(target, "slow", bench.MODEL_CALL, 1)
            await bench.pipeline(target, "other", bench.TRANSFORM, 1)
            control = Connection(provider.removesuffix("/v1"))
            await control.request("POST", "/_control/config", {"latency_ms": 600_000})
            await _update(store, plan="measured")
            # A credential is believed for five seconds, and so is the plan that came with it. The model library is loaded.
            await asyncio.sleep(8)
            before = await _measure(target, store, quick, slow)
            begun = time.perf_counter()
            await _seed(store, [UUID(quick), UUID(slow)], total)
            print(f"{total:,} runs written in {time.perf_counter() - begun:.0f} s", flush=True)
            after = await _measure(target, store, quick, slow)
        await store.close()
    width = max(map(len, before))
    print(f"{'':{width}}  {'no runs':>24}  {f'{total:,} runs':>24}")
    for name, figure in before.items():
        print(f"{name:{width}}  {figure:>24}  {after[name]:>24}")


async def _measure(target: bench.Server, store: Database, quick: str, slow: str) -> Figures:
    figures: Figures = {}
    figures["one run, trigger to completed"] = await _alone(target, quick)
    figures[f"accepts, limited plan, c={SENDERS}"] = await _accepts(target, quick, slow)
    await _update(store, runs_today=100_000_000)
    refused = {"x": 1}
    figures["run refused, runs a day"] = await _timed(
        target, "POST", f"/api/webhooks/{quick}", 403, refused
    )
    await _update(store, runs_today=0)
    definition = {"name": "x", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
    figures["pipeline refused, pipelines"] = await _timed(
        target, "POST", "/api/pipelines", 403, definition
    )
    since = (clock.now() - timedelta(days=DAYS)).date()
    for group_by in ("day", "model", "pipeline"):
        path = f"/api/user/usage?from={since}&group_by={group_by}"
        figures[f"usage of {DAYS} days by {group_by}"] = await _timed(target, "GET", path, 200)
    for query in (
        "",
        "status=failed",
        "status=failed&status=cancelled",
        "trigger_type=cron",
        "trigger_type=cron&status=failed",
        f"pipeline_id={quick}",
        f"pipeline_id={quick}&status=failed",
        f"pipeline_id={quick}&status=failed&status=cancelled",
        "q=quick",
    ):
        named = query.replace(quick, "P") or "all"
        figures[f"runs, {named}"] = await _timed(target, "GET", f"/api/runs?{query}", 200)
    figures["pipelines with their last run"] = await _timed(target, "GET", "/api/pipelines", 200)
    return figures


async def _alone(target: bench.Server, pipeline_id: str) -> str:
    """One run at a time, from its acceptance to its end, by the server's clock."""
    connection, latencies, cpu = target.connection(), list[float](), target.cpu_seconds()
    for _ in range(20):
        _, run = await connection.request("POST", f"/api/webhooks/{pipeline_id}", {"x": 1})
        async with asyncio.timeout(30):
            while True:
                await asyncio.sleep(0.1)
                _, found = await connection.request("GET", f"/api/runs/{run['run_id']}")
                if found["status"] == "completed":
                    break
        times = [datetime.fromisoformat(found[key]) for key in ("created_at", "completed_at")]
        latencies.append((times[1] - times[0]).total_seconds())
    cpu = (target.cpu_seconds() - cpu) / len(latencies) * 1000
    return f"p50 {bench.spread(latencies)['p50_ms']}, CPU {cpu:.1f} ms"


async def _accepts(target: bench.Server, quick: str, slow: str) -> str:
    """Runs that are accepted and wait, because one with a slow model holds the only slot."""
    connection = target.connection()
    _, holding = await connection.request("POST", f"/api/webhooks/{slow}", {"x": 1})
    await asyncio.sleep(1)
    latencies: list[float] = []
    waiting = iter(range(ACCEPTS))

    async def send() -> None:
        sender = target.connection()
        for _ in waiting:
            begun = time.perf_counter()
            status, answer = await sender.request("POST", f"/api/webhooks/{quick}", {"x": 1})
            if status != 202:
                raise SystemExit(f"A trigger was answered {status}: {answer}")
            latencies.append(time.perf_counter() - begun)

    begun, cpu = time.perf_counter(), target.cpu_seconds()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    took, cpu = time.perf_counter() - begun, target.cpu_seconds() - cpu
    # The connection has been idle for longer than the server keeps one.
    await target.connection().request("POST", f"/api/runs/{holding['run_id']}/cancel")
    await bench.drained(target, quick)
    found = bench.spread(latencies)
    return f"{ACCEPTS / took:.0f}/s, p50 {found['p50_ms']}, CPU {cpu / ACCEPTS * 1000:.1f} ms"


async def _timed(
    target: bench.Server, method: str, path: str, expected: int, body: Any = None
) -> str:
    connection, latencies, cpu = target.connection(), list[float](), target.cpu_seconds()
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        status, answer = await connection.request(method, path, body)
        latencies.append(time.perf_counter() - begun)
        if status != expected:
            raise SystemExit(f"{method} {path} was answered {status}: {answer}")
    cpu = (target.cpu_seconds() - cpu) / REQUESTS * 1000
    return f"p50 {bench.spread(latencies)['p50_ms']}, CPU {cpu:.1f} ms"


async def _update(store: Database, **values: Any) -> None:
    async with store.transaction() as session:
        await session.execute(workspaces.update().values(values))


async def _seed(store: Database, pipelines: list[UUID], total: int) -> None:
    async with store.reading() as session:
        workspace_id = await session.scalar(sa.select(workspaces.c.id))
    chance = random.Random(1)
    rows = _runs(chance, workspace_id, pipelines, total)
    for _ in range(0, total, BATCH):
        batch = [row for _, row in zip(range(BATCH), rows, strict=False)]
        steps = [step for row in batch[::STEPS_OF] for step in _steps(chance, row)]
        async with store.transaction() as session:
            await session.execute(runs.insert(), batch)
            await session.execute(run_steps.insert(), steps)
    first = clock.now().date() - timedelta(days=DAYS)
    days = [
        {
            "workspace_id": workspace_id,
            "day": (first + timedelta(days=day)).isoformat(),
            "pipeline_id": pipeline_id,
            "model": model,
            "runs": total // DAYS,
            "input_tokens": 1_000 if model else 0,
        }
        for day in range(DAYS)
        for pipeline_id in pipelines
        for model in ("", "openai/gpt-4o-mini", "openai/gpt-4o", "ollama/llama3")
    ]
    async with store.transaction() as session:
        await session.execute(usage_days.insert(), days)
        if not store.is_sqlite:
            # What autovacuum does by itself some minutes later.
            await session.execute(sa.text("ANALYZE"))


def _runs(
    chance: random.Random, workspace_id: UUID, pipelines: list[UUID], total: int
) -> Iterator[dict[str, Any]]:
    first = clock.now() - timedelta(days=DAYS)
    for number in range(total):
        at = first + timedelta(days=DAYS) * number / total
        status = chance.choice(STATUSES)
        yield {
            "id": _id_at(chance, at.timestamp()),
            "workspace_id": workspace_id,
            "pipeline_id": chance.choice(pipelines),
            "pipeline_version": 1,
            "trigger_type": chance.choice(TRIGGERS),
            "status": status,
            "input_data": {"x": 1},
            "output": "done" if status == "completed" else None,
            "error": {"code": "step_failed", "message": "no", "step_id": "s0"}
            if status == "failed"
            else None,
            "ticket": 1,
            "last_seq": 4,
            "deadline_at": at,
            "created_at": at,
            "started_at": at,
            "completed_at": at,
        }


def _steps(chance: random.Random, run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number in range(2):
        yield {
            "id": _id_at(chance, run["created_at"].timestamp()),
            "run_id": run["id"],
            "step_id": f"s{number}",
            "iteration": 1,
            "ordinal": number + 1,
            "name": "s",
            "type": "transform",
            "status": "completed",
            "attempts": 1,
            "output": "done",
            "completed_at": run["completed_at"],
        }


def _id_at(chance: random.Random, seconds: float) -> UUID:
    """An id as it would have been made then."""
    milliseconds = int(seconds * 1000)
    number = milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62
    return UUID(int=number | chance.getrandbits(62))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.runs, arguments.database_url))
