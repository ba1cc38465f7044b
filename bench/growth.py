"""Measure whether a million runs make anything slower, and deleting them; see README.md beside this file.

CPU is the server's, for one request: it says more than the time where others use the machine, too.

Usage: python bench/growth.py [--runs 1000000] [--steps 10] [--database-url URL]
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))
import history
import run as bench
from client import Connection

from stepiq.core import clock
from stepiq.core.settings import model as settings
from stepiq.store.database import Database
from stepiq.store.tables import runs, workspaces

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
ACCEPTS = 200
SENDERS = 8
REQUESTS = 40
USAGE_DAYS = 30
STEADY_SECONDS = 60
ACCEPTS_A_SECOND = 5

Figures = dict[str, str]


async def main(total: int, steps: int, database_url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stepiq-growth-") as name:
        folder = Path(name)
        config = folder / "stepiq.toml"
        config.write_text(PLAN)
        os.environ["STEPIQ_CONFIG_FILE"] = str(config)
        # Nothing is deleted before it is measured what deleting costs.
        os.environ["STEPIQ_RUN_RETENTION_DAYS"] = "0"
        store = Database(
            settings.load(data_dir=folder, database_url=database_url, config_file=config)
        )
        async with bench.provider() as provider:
            async with bench.server(folder, database_url, provider, {}) as target:
                quick = await bench.pipeline(target, "quick", bench.TRANSFORM, 1)
                slow = await bench.pipeline(target, "slow", bench.MODEL_CALL, 1)
                rare = await bench.pipeline(target, "rare", bench.TRANSFORM, 1)
                control = Connection(provider.removesuffix("/v1"))
                await control.request("POST", "/_control/config", {"latency_ms": 600_000})
                await _update(store, plan="measured")
                # A credential is believed for five seconds, and so is the plan that came with it. The model library is loaded.
                await asyncio.sleep(8)
                before = await _measure(target, store, quick, slow, rare)
                begun = time.perf_counter()
                await _write(store, [UUID(quick), UUID(slow)], UUID(rare), total, steps)
                print(
                    f"{total:,} runs with {steps} steps each written in {time.perf_counter() - begun:.0f} s, "
                    f"{await _size_gb(store):.1f} GB",
                    flush=True,
                )
                after = await _measure(target, store, quick, slow, rare)
                _show({"no runs": before, f"{total:,} runs": after})
                await _update(store, plan="enterprise")
                await asyncio.sleep(6)
                key = target.api_key
                kept = await _steady(target, store, quick)
            os.environ["STEPIQ_RUN_RETENTION_DAYS"] = "30"
            async with bench.server(folder, database_url, provider, {}, api_key=key) as target:
                await asyncio.sleep(8)
                swept = await _steady(target, store, quick)
            _show({"nothing is deleted": kept, "runs are deleted": swept})
        await store.close()


def _show(columns: dict[str, Figures]) -> None:
    rows = next(iter(columns.values()))
    width = max(map(len, rows))
    print(f"{'':{width}}  " + "  ".join(f"{name:>24}" for name in columns))
    for name in rows:
        figures = "  ".join(f"{column[name]:>24}" for column in columns.values())
        print(f"{name:{width}}  {figures}", flush=True)


async def _measure(
    target: bench.Server, store: Database, quick: str, slow: str, rare: str
) -> Figures:
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
    since = (clock.now() - timedelta(days=USAGE_DAYS)).date()
    for group_by in ("day", "model", "pipeline"):
        path = f"/api/user/usage?from={since}&group_by={group_by}"
        figures[f"usage of {USAGE_DAYS} days by {group_by}"] = await _timed(
            target, "GET", path, 200
        )
    first = clock.now() - timedelta(days=history.DAYS)
    early = (first + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query in (
        "",
        "status=failed",
        "status=failed&status=cancelled",
        "status=waiting",
        "trigger_type=cron",
        "trigger_type=cron&status=failed",
        f"created_before={early}",
        f"created_before={early}&status=failed&trigger_type=cron",
        f"pipeline_id={quick}",
        f"pipeline_id={quick}&trigger_type=cron",
        f"pipeline_id={quick}&status=failed&status=cancelled",
        f"pipeline_id={rare}",
        f"pipeline_id={rare}&status=failed",
        "q=quick",
        "q=rare",
        "q=rare&status=failed",
    ):
        named = query.replace(quick, "P").replace(rare, "RARE").replace(early, "EARLY") or "all"
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


async def _write(
    store: Database, pipelines: list[UUID], rare: UUID, total: int, steps: int
) -> None:
    async with store.reading() as session:
        workspace_id = await session.scalar(sa.select(workspaces.c.id))
    await asyncio.to_thread(history.write, store, workspace_id, pipelines, rare, total, steps)


async def _size_gb(store: Database) -> float:
    if store.path is not None:
        return store.path.stat().st_size / 1e9
    async with store.reading() as session:
        return await session.scalar(sa.text("SELECT pg_database_size(current_database())")) / 1e9


async def _steady(target: bench.Server, store: Database, pipeline_id: str) -> Figures:
    """Accept and execute runs at a steady rate, well below the limit of the server."""
    latencies: list[float] = []
    refused: list[str] = []
    expired, begun, cpu = await _expired(store), time.perf_counter(), target.cpu_seconds()

    async def send(number: int) -> None:
        await asyncio.sleep(number / ACCEPTS_A_SECOND)
        sent = time.perf_counter()
        status, answer = await target.connection().request(
            "POST", f"/api/webhooks/{pipeline_id}", {"x": 1}
        )
        if status == 202:
            latencies.append(time.perf_counter() - sent)
        else:
            refused.append(answer["code"])

    await asyncio.gather(*(send(number) for number in range(STEADY_SECONDS * ACCEPTS_A_SECOND)))
    took, cpu = time.perf_counter() - begun, target.cpu_seconds() - cpu
    found = bench.spread(latencies)
    return {
        "runs accepted and executed per second": f"{len(latencies) / took:.0f}",
        "accepted within, p50 / p95 / p99 ms": " / ".join(f"{each:.0f}" for each in found.values()),
        "refused": f"{len(refused)} {' '.join(sorted(set(refused)))}".strip(),
        "runs deleted a second": f"{(expired - await _expired(store)) / took:.0f}",
        "CPU, of one core": f"{cpu / took * 100:.0f} %",
    }


async def _expired(store: Database) -> int:
    until = clock.now() - timedelta(days=30)
    async with store.transaction(patience=600) as session:
        return await session.scalar(
            sa.select(sa.func.count()).select_from(runs).where(runs.c.completed_at < until)
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10, help="of each run")
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.runs, arguments.steps, arguments.database_url))
