"""Measure how long one workspace waits while twenty others take all they can; see README.md in this folder.

Usage: python bench/hostile.py [--hostile 20] [--seconds 15] [--only code,names,...] [--database-url URL]
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import run as bench
from client import Connection
from login_attacks import five_addresses, half_sent, many_addresses
from workspaces import (
    PASSWORD,
    Workspace,
    add_schedules,
    address,
    new_database,
    register,
    until_none_is_due,
    until_started,
)

from stepiq.core import settings
from stepiq.providers.local import local_unavailable
from stepiq.providers.local_weights import weights_present
from stepiq.store.database import Database

# Names that end with `.hang.test` behave like names whose name server never answers. `receiver.test` is this machine.
SERVE = """\
import socket, sys, time
from stepiq.cli.main import main
real = socket.getaddrinfo
def getaddrinfo(host, *args, **options):
    if str(host).endswith(".hang.test"):
        time.sleep(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return real("127.0.0.1" if host == "receiver.test" else host, *args, **options)
socket.getaddrinfo = getaddrinfo
sys.argv[1:] = ["serve"]
main()
"""
MANY = (
    "{{id: many, type: parallel, for_each: input.items, max_concurrency: 50, on_branch_error: continue,"
    " step: {step}}}"
)
ENDLESS = "{id: a, type: code, language: javascript, timeout_seconds: 30, source: 'function main() { while (true); }'}"
HANGING = "{id: a, type: webhook, url: 'http://{{item}}.hang.test/', timeout_seconds: 30}"
LONG = "{id: a, type: llm, model: local/smollm2-135m, prompt: 'Write a long story about {{item}}.'}"
BYSTANDER = {
    "transform": "{id: a, type: transform, template: 'x'}",
    "condition": "{id: a, type: condition, cases: [{if: true, goto: end}]}",
    "parallel": "{id: a, type: parallel, steps: [{id: c, type: transform, template: 'x'}]}",
    "llm": "{id: a, type: llm, model: openai/gpt-4o-mini, prompt: 'x', max_tokens: 5}",
    "webhook": "{id: a, type: webhook, url: 'http://receiver.test:PORT/v1/models', method: GET}",
    "code, Python": "{id: a, type: code, language: python, source: 'def main(input): return 1'}",
    "code, JavaScript": "{id: a, type: code, language: javascript, source: 'function main() { return 1 }'}",
    "human_review": "{id: a, type: human_review, message: 'x'}",
    "wait": "{id: a, type: wait, seconds: 120}",
}
LOCAL = "{id: a, type: llm, model: local/smollm2-135m, prompt: 'x', max_tokens: 3}"
LIMIT_SECONDS = 2.0
LIMIT_HEALTH_MS = 150.0
SCHEDULES = 500


async def main(hostile: int, seconds: float, only: set[str], database_url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stepiq-hostile-") as name:
        folder = Path(name)
        async with bench.provider() as provider:
            await bench.answer_in(provider, token_ms=0)
            environment = {
                "STEPIQ_REGISTRATION": "open",
                "STEPIQ_DEFAULT_PLAN": "unlimited",
                # Other addresses of this machine are clients.
                "STEPIQ_TRUSTED_PROXIES": "127.0.0.1",
                "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
            }
            rows: list[list[str]] = []
            for what, attack in ATTACKS.items():
                if (only and what not in only) or (what == "local model" and not _has_model()):
                    continue
                data = folder / what.replace(" ", "-")
                with new_database(database_url) as url:
                    async with bench.server(
                        data,
                        url,
                        provider,
                        {},
                        command=("-c", SERVE),
                        api_key="none",
                        environment=environment,
                    ) as target:
                        store = Database(settings.load(data_dir=data, database_url=url))
                        crowd = [
                            await register(target.url, store, data, number)
                            for number in range(hostile + 1)
                        ]
                        rows.append(
                            [what, *await _measure(what, attack, crowd, provider, store, seconds)]
                        )
                        print("  ".join(rows[-1]), flush=True)
                        await store.close()
    _show(rows)


def _has_model() -> bool:
    if local_unavailable() is None and weights_present(settings.load().cache_path):
        return True
    print("local model: skipped, because it is not installed", flush=True)
    return False


async def _measure(
    what: str,
    attack: "Attack",
    crowd: list[Workspace],
    provider: str,
    store: Database,
    seconds: float,
) -> list[str]:
    bystander, *hostile = crowd
    port = provider.removesuffix("/v1").rpartition(":")[2]
    steps = dict(BYSTANDER)
    if what == "local model":
        steps["llm, local"] = LOCAL
    pipelines = {
        name: await bystander.pipeline(name, step.replace("PORT", port))
        for name, step in steps.items()
    }
    # Everything is loaded once, also the sandbox and the libraries of models.
    await asyncio.gather(*(until_started(bystander, each) for each in pipelines.values()))
    await _log_in(bystander)
    async with attack(hostile, store, bystander) as extra:
        async with _health(bystander.url, seconds) as health:
            waits = await _wait_times(bystander, pipelines, seconds)
        slowest = {**{name: max(each) for name, each in waits.items()}, **await extra()}
    name, longest = max(slowest.items(), key=lambda each: each[1])
    samples = sum(map(len, waits.values()))
    return [
        f"{samples} runs",
        f"slowest start {longest:.2f} s ({name})",
        f"health p50 {health[len(health) // 2]:.0f}, p99 {health[len(health) * 99 // 100]:.0f}, "
        f"longest {health[-1]:.0f} ms",
        "ok"
        if longest <= LIMIT_SECONDS and health[len(health) * 99 // 100] <= LIMIT_HEALTH_MS
        else "TOO SLOW",
    ]


async def _wait_times(
    bystander: Workspace, pipelines: dict[str, str], seconds: float
) -> dict[str, list[float]]:
    waits: dict[str, list[float]] = {name: [] for name in pipelines}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name, pipeline_id in pipelines.items():
            waits[name].append(await until_started(bystander, pipeline_id))
    return waits


async def _log_in(workspace: Workspace) -> float:
    connection = Connection(workspace.url, x_forwarded_for=address(workspace.number))
    begun = time.perf_counter()
    login = {"email": f"w{workspace.number}@example.com", "password": PASSWORD}
    status, _ = await connection.request("POST", "/api/auth/login", login)
    took = time.perf_counter() - begun
    connection.close()
    return took if status == 200 else float("inf")


@asynccontextmanager
async def _health(url: str, seconds: float) -> AsyncIterator[list[float]]:
    """Response times of /health in milliseconds, which another process measures. Filled at the end."""
    probe = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--probe", url, "--seconds", str(seconds), stdout=-1
    )
    found: list[float] = []
    yield found
    output, _ = await probe.communicate()
    found += sorted(json.loads(output))


async def _probe(url: str, seconds: float) -> None:
    connection, times, until = Connection(url), list[float](), time.perf_counter() + seconds
    while (begun := time.perf_counter()) < until:
        await connection.request("GET", "/health")
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0.03)
    print(json.dumps(times))


Extra = Callable[[], Awaitable[dict[str, float]]]
Attack = Callable[[list[Workspace], Database, Workspace], AbstractAsyncContextManager[Extra]]


async def _nothing_more() -> dict[str, float]:
    return {}


@asynccontextmanager
async def _quiet(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    yield _nothing_more


def _runs(step: str, warm_up: float = 3.0) -> Attack:
    """An attack with many runs of many branches in each workspace."""

    @asynccontextmanager
    async def attack(
        hostile: list[Workspace], store: Database, bystander: Workspace
    ) -> AsyncIterator[Extra]:
        for each in hostile:
            pipeline_id = await each.pipeline("hostile", MANY.format(step=step))
            for number in range(4):
                items = [f"w{each.number}-{number}-{item}" for item in range(50)]
                status, _ = await each.run(pipeline_id, items)
                if status != 202:
                    raise SystemExit(f"A hostile run was refused with {status}.")
        await asyncio.sleep(warm_up)
        yield _nothing_more

    return attack


@asynccontextmanager
async def _streams(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Each workspace opens all the streams that it can, again and again."""
    opened: list[asyncio.StreamWriter] = []

    async def follow(workspace: Workspace, run_id: str) -> None:
        for _ in range(50):
            with suppress(SystemExit, OSError):
                _, writer = await workspace.connection().stream(f"/api/runs/{run_id}/stream")
                opened.append(writer)

    runs = []
    for each in [bystander, *hostile]:
        pipeline_id = await each.pipeline("waits", "{id: a, type: wait, seconds: 600}")
        runs.append((await each.run(pipeline_id))[1])
    await asyncio.gather(*map(follow, hostile, runs[1:]))

    async def first_stream() -> dict[str, float]:
        begun = time.perf_counter()
        try:
            _, writer = await bystander.connection().stream(f"/api/runs/{runs[0]}/stream")
        except SystemExit:
            return {"stream": float("inf")}
        writer.close()
        print(f"  {len(opened)} hostile streams are open", flush=True)
        return {"stream": time.perf_counter() - begun}

    yield first_stream
    for writer in opened:
        writer.close()


def _while_logging_in(clients: Callable[[str], list[Coroutine[Any, Any, None]]]) -> Attack:
    """An attack on logins by clients without an account. Meanwhile, the bystander logs in again and again."""

    @asynccontextmanager
    async def attack(
        hostile: list[Workspace], store: Database, bystander: Workspace
    ) -> AsyncIterator[Extra]:
        logins: list[float] = []

        async def log_in() -> None:
            while True:
                logins.append(await _log_in(bystander))
                await asyncio.sleep(0.2)

        tasks = [asyncio.create_task(client) for client in clients(bystander.url)]
        await asyncio.sleep(2)
        tasks.append(asyncio.create_task(log_in()))

        async def longest() -> dict[str, float]:
            return {"login": max(logins)}

        yield longest
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return attack


@asynccontextmanager
async def _schedules(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Many schedules of each workspace are due, and then one of the bystander."""
    due = datetime.now(UTC) + timedelta(seconds=8)
    for each in hostile:
        await add_schedules(
            store, each, await each.pipeline("quick", BYSTANDER["transform"]), due, SCHEDULES
        )
    late = due + timedelta(seconds=1)
    pipeline_id = await bystander.pipeline("scheduled", BYSTANDER["transform"])
    await add_schedules(store, bystander, pipeline_id, late, count=1)
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    all_started = asyncio.create_task(until_none_is_due(store, due))

    async def started() -> dict[str, float]:
        connection = bystander.connection()
        path = f"/api/runs?pipeline_id={pipeline_id}"
        for _ in range(100):
            _, found = await connection.request("GET", path)
            if found["data"]:
                begun = datetime.fromisoformat(found["data"][0]["created_at"])
                number = SCHEDULES * len(hostile)
                print(f"All {number} due runs were started after {await all_started:.1f} s")
                return {"schedule": (begun - late).total_seconds()}
            await asyncio.sleep(0.1)
        return {"schedule": float("inf")}

    yield started


ATTACKS: dict[str, Attack] = {
    "nothing": _quiet,
    "code": _runs(ENDLESS),
    "names": _runs(HANGING),
    "streams": _streams,
    "logins": _while_logging_in(many_addresses),
    "logins of five addresses": _while_logging_in(five_addresses),
    "half-sent requests": _while_logging_in(half_sent),
    "schedules": _schedules,
    "local model": _runs(LONG, warm_up=20),
}


def _show(rows: list[list[str]]) -> None:
    print(f"\n| attack | {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} | | | |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hostile", type=int, default=20, help="workspaces that attack")
    parser.add_argument("--seconds", type=float, default=15, help="of measuring each attack")
    parser.add_argument("--only", default="", help="a comma-separated list of attacks")
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.probe:
        asyncio.run(_probe(given.probe, given.seconds))
    else:
        wanted = set(filter(None, given.only.split(",")))
        asyncio.run(main(given.hostile, given.seconds, wanted, given.database_url))
