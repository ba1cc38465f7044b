"""Measure how long 10,000 schedules that are due at once take to start; see README.md in this folder.

Usage: python bench/schedules.py [--schedules 10000] [--workspaces 20] [--database-url URL] [--profile FILE]
"""

import argparse
import asyncio
import cProfile
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import psycopg
import run as bench
import sqlalchemy as sa
from workspaces import (
    Workspace,
    add_schedules,
    new_database,
    register,
    until_none_is_due,
    until_started,
)

from stepiq.core.http import guarded_client
from stepiq.core.settings import model as settings
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.database import Database, Session
from stepiq.store.postgres_pubsub import PostgresChanges
from stepiq.store.pubsub import LocalChanges
from stepiq.triggers.schedules.ticker import Ticker

STEP = "{id: a, type: transform, template: 'x'}"
AHEAD = timedelta(seconds=4)
ENVIRONMENT = {
    "STEPIQ_REGISTRATION": "open",
    "STEPIQ_DEFAULT_PLAN": "unlimited",
    "STEPIQ_TRUSTED_PROXIES": "127.0.0.1",
}


async def main(number: int, count: int, database_url: str, only: str, profile: str) -> None:
    """Start the runs of `number` schedules in `count` workspaces, first in this process, then in a server."""
    with tempfile.TemporaryDirectory(prefix="stepiq-schedules-") as name:
        folder = Path(name)
        if only != "executed":
            with new_database(database_url) as url:
                await _not_executed(folder / "alone", url, number // count, count, profile)
        if only != "not executed":
            with new_database(database_url) as url:
                await _executed(folder / "server", url, number // count, count)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


async def _not_executed(folder: Path, url: str, each: int, count: int, profile: str) -> None:
    """Start the runs in this process, which does not execute them."""
    due = datetime.now(UTC)
    configured = settings.load(
        data_dir=folder, database_url=url, config_file=folder / "stepiq.toml"
    )
    store = Database(configured)
    async with _server(folder, url, store, count) as (_, crowd):
        pipelines = [await workspace.pipeline("quick", STEP) for workspace in crowd]
    for workspace, pipeline_id in zip(crowd, pipelines, strict=True):
        await add_schedules(store, workspace, pipeline_id, due, each)
    changes = LocalChanges() if store.is_sqlite else PostgresChanges(store)
    if isinstance(changes, PostgresChanges):
        await changes.start()
    providers, plans, http = Providers(configured), Plans.load({}), guarded_client(configured)
    ticker = Ticker(store, Engine(store, changes, providers, plans, http), plans)
    profiler = cProfile.Profile()
    with _counted() as counted:
        before = _database_cpu(url)
        begun, computed = time.perf_counter(), time.process_time()
        if profile:
            profiler.enable()
        handled = await ticker.tick(due)
        profiler.disable()
        took, computed = time.perf_counter() - begun, time.process_time() - computed
        in_database = sum((_database_cpu(url) - before).values())
    if profile:
        profiler.dump_stats(profile)
    if isinstance(changes, PostgresChanges):
        await changes.stop()
    await store.close()
    print(
        f"not executed: {handled} ticks in {took:.1f} s; each {computed / handled * 1000:.2f} ms CPU in Python, "
        f"{in_database / handled:.2f} ms in PostgreSQL, {counted['statements'] / handled:.3f} statements, "
        f"{counted['repeated'] / handled:.2f} repetitions of statements",
        flush=True,
    )


async def _executed(folder: Path, url: str, each: int, count: int) -> None:
    """Start the runs in a server that executes them. Meanwhile, one more workspace starts a run after the other."""
    configured = settings.load(
        data_dir=folder, database_url=url, config_file=folder / "stepiq.toml"
    )
    store = Database(configured)
    async with _server(folder, url, store, count + 1) as (target, (bystander, *crowd)):
        pipelines = [await workspace.pipeline("quick", STEP) for workspace in crowd]
        own = await bystander.pipeline("own", STEP)
        await until_started(bystander, own)
        due = datetime.now(UTC) + AHEAD
        for workspace, pipeline_id in zip(crowd, pipelines, strict=True):
            await add_schedules(store, workspace, pipeline_id, due, each)
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        before = target.cpu_seconds()
        waits: list[float] = []
        runs = asyncio.create_task(_one_after_the_other(bystander, own, waits))
        took = await until_none_is_due(store, due)
        computed = target.cpu_seconds() - before
        while_starting = max(waits, default=0.0)
        ended = await _number(store, "completed_at IS NOT NULL")
        while await _number(store, "completed_at IS NULL AND trigger_type = 'cron'"):  # noqa: ASYNC110 - as a client would
            await asyncio.sleep(0.5)
        everything = (datetime.now(UTC) - due).total_seconds()
        total = target.cpu_seconds() - before
        runs.cancel()
        started = await _number(store, "trigger_type = 'cron'")
    await store.close()
    print(
        f"executed: {each * count} ticks in {took:.1f} s and {computed:.1f} s CPU of the server, which ended {ended} runs "
        f"meanwhile; {started} runs, the last ended after {everything:.1f} s and {total:.1f} s CPU; the slowest run of "
        f"another workspace took {while_starting:.2f} s until all had started, {max(waits):.2f} s in all",
        flush=True,
    )


async def _one_after_the_other(workspace: Workspace, pipeline_id: str, waits: list[float]) -> None:
    while True:
        waits.append(await until_started(workspace, pipeline_id))
        await asyncio.sleep(0.1)


async def _number(store: Database, condition: str) -> int:
    """The number of runs that meet a condition."""
    async with store.reading() as session:
        return await session.scalar(sa.text(f"SELECT count(*) FROM runs WHERE {condition}"))


@asynccontextmanager
async def _server(
    folder: Path, url: str, store: Database, count: int
) -> AsyncIterator[tuple[bench.Server, list[Workspace]]]:
    """A server with some accounts."""
    async with bench.server(
        folder, url, "http://127.0.0.1:9/v1", {}, api_key="none", environment=ENVIRONMENT
    ) as target:
        yield target, [await register(target.url, store, folder, n) for n in range(count)]


@contextmanager
def _counted() -> Iterator[Counter[str]]:
    """Count the statements of a store, and how often they are repeated for further rows."""
    counted: Counter[str] = Counter()

    execute = Session.execute

    async def counting(session: Session, statement: Any, parameters: Any = None) -> Any:
        counted["statements"] += 1
        counted["repeated"] += len(parameters) - 1 if isinstance(parameters, list) else 0
        return await execute(session, statement, parameters)

    Session.execute = counting
    yield counted
    Session.execute = execute


def _database_cpu(url: str) -> Counter[int]:
    """CPU time in milliseconds of each PostgreSQL process that serves this database, if it runs on this machine."""
    if not url:
        return Counter()
    found: Counter[int] = Counter()
    with psycopg.connect(url) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        for (pid,) in connection.execute(query).fetchall():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            found[pid] = (int(fields[11]) + int(fields[12])) * 1000 // bench.TICKS
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--workspaces", type=int, default=20)
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    parser.add_argument("--only", choices=("not executed", "executed"), default="")
    parser.add_argument("--profile", default="", help="where to write the profile of the ticker")
    given = parser.parse_args()
    asyncio.run(
        main(given.schedules, given.workspaces, given.database_url, given.only, given.profile)
    )
