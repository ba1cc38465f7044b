"""Measure how long one workspace waits while twenty others take all they can; see README.md in this folder.

Usage: python bench/hostile.py [--hostile 20] [--seconds 15] [--only code,names,...] [--database-url URL]
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import run as bench
from attacks import ATTACKS
from attacks.base import QUICK, Attack
from client import Connection
from workspaces import Workspace, log_in, new_database, register, until_started

from stepiq.core.settings import model as settings
from stepiq.providers.local.model import local_unavailable
from stepiq.providers.local.weights import weights_present
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
THIRTY = str(list(range(30)))
BYSTANDER = {
    "transform": QUICK,
    # In a thread, because they are more than 500 operations, or a pattern.
    "transform, large": f"{{id: a, type: transform, set: {{a: '{THIRTY}.map(a, {THIRTY}.map(b, b))'}}}}",
    "transform, pattern": "{id: a, type: transform, regex: {pattern: 'x'}, input: '\"x\"'}",
    "condition": "{id: a, type: condition, cases: [{if: true, goto: end}]}",
    "parallel": "{id: a, type: parallel, steps: [{id: c, type: transform, template: 'x'}]}",
    "llm": "{id: a, type: llm, model: openai/gpt-4o-mini, prompt: 'x', max_tokens: 5}",
    # Masked in a thread.
    "llm, masked": "{id: a, type: llm, model: openai/gpt-4o-mini, max_tokens: 5, prompt: '{{env.KEY}} "
    + "text " * 4_000
    + "'}",
    "webhook": "{id: a, type: webhook, url: 'http://receiver.test:PORT/v1/models', method: GET}",
    "code, Python": "{id: a, type: code, language: python, source: 'def main(input): return 1'}",
    "code, JavaScript": "{id: a, type: code, language: javascript, source: 'function main() { return 1 }'}",
    "human_review": "{id: a, type: human_review, message: 'x'}",
    "wait": "{id: a, type: wait, seconds: 120}",
}
LOCAL = "{id: a, type: llm, model: local/smollm2-135m, prompt: 'x', max_tokens: 3}"
LIMIT_SECONDS = 2.0
LIMIT_HEALTH_MS = 150.0
_MET = "ok"


async def main(hostile: int, seconds: float, only: set[str], database_url: str) -> bool:
    """Measure the attacks, and print a table. Returns whether all of them met the targets."""
    with tempfile.TemporaryDirectory(prefix="stepiq-hostile-") as name:
        folder = Path(name)
        async with bench.provider() as provider, bench.provider() as endless:
            await bench.answer_in(provider, token_ms=0)
            await bench.answer_in(endless, token_ms=100, tokens=100_000)
            environment = {
                "STEPIQ_REGISTRATION": "open",
                "STEPIQ_DEFAULT_PLAN": "unlimited",
                # Other addresses of this machine are clients.
                "STEPIQ_TRUSTED_PROXIES": "127.0.0.1",
                "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
                "OLLAMA_BASE_URL": endless.removesuffix("/v1"),
                "MISTRAL_BASE_URL": endless,
                "MISTRAL_API_KEY": "none",
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
                        # A regular stop waits for the hostile runs.
                        stop=signal.SIGKILL,
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
    return all(row[-1] == _MET for row in rows)


def _has_model() -> bool:
    if local_unavailable() is None and weights_present(settings.load().cache_path):
        return True
    print("local model: skipped, because it is not installed", flush=True)
    return False


async def _measure(
    what: str,
    attack: Attack,
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
    await bystander.secret("KEY", "the bystander's key")
    pipelines = {
        name: await bystander.pipeline(name, step.replace("PORT", port))
        for name, step in steps.items()
    }
    # Everything is loaded once, also the sandbox and the libraries of models.
    await asyncio.gather(*(until_started(bystander, each) for each in pipelines.values()))
    await log_in(bystander)
    async with attack(hostile, store, bystander) as extra:
        async with _health(bystander.url, seconds) as health:
            waits = await _wait_times(bystander, pipelines, seconds)
        slowest = {**{name: max(each) for name, each in waits.items() if each}, **await extra()}
    name, longest = max(slowest.items(), key=lambda each: each[1])
    samples = sum(map(len, waits.values()))
    return [
        f"{samples} runs",
        f"slowest start {longest:.2f} s ({name})",
        f"health p50 {health[len(health) // 2]:.0f}, p99 {health[len(health) * 99 // 100]:.0f}, "
        f"longest {health[-1]:.0f} ms",
        _MET
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
            # A row that is too slow anyway ends after twice the time.
            if time.perf_counter() < until + seconds:
                waits[name].append(await until_started(bystander, pipeline_id))
    return waits


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
        met = asyncio.run(main(given.hostile, given.seconds, wanted, given.database_url))
        sys.exit(0 if met else 1)
