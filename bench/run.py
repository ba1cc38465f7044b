"""Measure this checkout on this machine; see README.md beside this file.

Usage: python bench/run.py [--database-url URL]
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from client import Connection

from stepiq.accounts.signing_in.registration import setup_token

TRANSFORM = "  - {{id: s{n}, type: transform, template: '{n} {{{{run.id}}}}'}}\n"
MODEL_CALL = "  - {{id: s{n}, model: openai/gpt-4o-mini, prompt: '{n} {{{{run.id}}}}'}}\n"
ONE_SLOT = """\
[plans.enterprise]
runs_at_once = 1
"""
CONNECTIONS = 32
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """The server under load and its figures from /proc."""

    def __init__(self, url: str, pid: int, api_key: str) -> None:
        self.url, self.pid, self.api_key = url, pid, api_key

    def connection(self) -> Connection:
        return Connection(self.url, x_api_key=self.api_key)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def main(database_url: str) -> None:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="stepiq-bench-") as name:
        folder = Path(name)
        async with provider() as provider_url:
            key = await measure_accepting(folder, database_url, provider_url, figures)
            async with server(folder, database_url, provider_url, figures, api_key=key) as target:
                await measure_carrying(target, provider_url, figures)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}  {value}")
    print(json.dumps(figures))


async def measure_accepting(
    folder: Path, database_url: str, provider_url: str, figures: dict[str, Any]
) -> str:
    """Accept runs while none is executed, because one run uses the only slot. Returns the API key."""
    config = folder / "stepiq.toml"
    config.write_text(ONE_SLOT)
    only = {"STEPIQ_CONFIG_FILE": str(config)}
    async with server(folder, database_url, provider_url, {}, environment=only) as target:
        one = await pipeline(target, "one", TRANSFORM, 1)
        slow = await pipeline(target, "slow", MODEL_CALL, 1)
        await answer_in(provider_url, latency_ms=600_000)
        holder = await trigger(target.connection(), slow)
        # The model library is imported right after the start.
        await asyncio.sleep(5)
        figures["accepts/s, none executed, c=32"] = await accepts(target, one)
        await target.connection().request("POST", f"/api/runs/{holder}/cancel")
        return target.api_key


async def measure_carrying(target: Server, provider_url: str, figures: dict[str, Any]) -> None:
    one = await pipeline(target, "one more", TRANSFORM, 1)
    three = await pipeline(target, "three", TRANSFORM, 3)
    models = await pipeline(target, "models", MODEL_CALL, 3)
    model = await pipeline(target, "model", MODEL_CALL, 1)
    await drained(target)
    await asyncio.sleep(5)
    figures["idle memory MB"] = round(target.memory_mb())
    figures["idle CPU % of a core"] = await idle_cpu(target)
    figures["accepts/s, executed meanwhile, c=32"] = await accepts(target, one)
    await drained(target)
    figures["3 transforms, runs/s"] = await completed(target, three, 500)
    await answer_in(provider_url, token_ms=25)
    figures["3 model calls of 200 ms, runs/s"] = await completed(target, models, 200)
    figures["1 step, idle, trigger to completed"] = await alone(target, one, 20)
    figures["event to listener"] = await streamed(target, models, 5)
    await answer_in(provider_url, token_ms=1000)
    await completed(target, model, 600)
    figures["calls of 8 s in flight at once, of 600"] = await most_in_flight(provider_url)
    figures["memory after load MB"] = round(target.memory_mb())


@asynccontextmanager
async def provider() -> AsyncIterator[str]:
    port = free_port()
    process = await start("-m", "stepiq", "dev", "fake-provider", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    try:
        await answering(f"{url}/v1/models")
        # About 200 ms a call: eight words, 25 ms apart.
        await answer_in(url, token_ms=25)
        yield f"{url}/v1"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def server(
    folder: Path,
    database_url: str,
    provider_url: str,
    figures: dict[str, Any],
    command: Sequence[str] = ("-m", "stepiq", "serve"),
    api_key: str | None = None,
    environment: dict[str, str] | None = None,
    stop: int = signal.SIGTERM,
) -> AsyncIterator[Server]:
    port = free_port()
    environment = (environment or {}) | configured(port, folder, database_url, provider_url)
    started = time.perf_counter()
    process = await start(*command, **environment)
    url = f"http://127.0.0.1:{port}"
    try:
        await answering(f"{url}/ready")
        figures["cold start s"] = round(time.perf_counter() - started, 2)
        yield Server(url, process.pid, api_key or await first_key(url, folder))
    finally:
        process.send_signal(stop)
        await process.wait()


def configured(port: int, folder: Path, database_url: str, provider_url: str) -> dict[str, str]:
    """The environment variables of a server with a model of that provider."""
    return {
        "STEPIQ_PORT": str(port),
        "STEPIQ_DATA_DIR": str(folder),
        "STEPIQ_DATABASE_URL": database_url,
        "STEPIQ_LOG_FORMAT": "json",
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": provider_url,
    }


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def answering(url: str) -> None:
    address, _, path = url.removeprefix("http://").partition("/")
    async with asyncio.timeout(60):
        while True:
            try:
                status, _ = await Connection(f"http://{address}").request("GET", f"/{path}")
            except OSError:
                status = 0
            if status == 200:
                return
            await asyncio.sleep(0.02)


async def first_key(url: str, folder: Path) -> str:
    proof = setup_token((folder / "jwt.key").read_bytes().strip())
    login = {
        "email": "bench@example.com", "password": "only for this run", "setup_token": proof
    }  # fmt: skip
    status, account = await Connection(url).request("POST", "/api/auth/register", login)
    if status != 201 or not account["user"]["is_admin"]:
        raise SystemExit("The database has accounts already. Give the benchmark an empty one.")
    session = Connection(url, authorization=f"Bearer {account['token']}")
    _, key = await session.request("POST", "/api/user/api-keys", {"name": "bench"})
    return key["key"]


async def pipeline(target: Server, name: str, step: str, count: int) -> str:
    source = f"name: {name}\nsteps:\n" + "".join(step.format(n=n) for n in range(count))
    status, saved = await target.connection().request(
        "POST", "/api/pipelines", source, "application/yaml"
    )
    if status != 201:
        raise SystemExit(f"Pipeline {name} was not accepted: {saved}")
    return saved["id"]


async def idle_cpu(target: Server) -> float:
    before = target.cpu_seconds()
    await asyncio.sleep(10)
    return round((target.cpu_seconds() - before) * 10, 1)


async def accepts(target: Server, pipeline_id: str) -> dict[str, float]:
    latencies: list[float] = []
    until = time.perf_counter() + 6

    async def send() -> None:
        connection = target.connection()
        while (begun := time.perf_counter()) < until:
            await trigger(connection, pipeline_id)
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return {"per_s": round(len(latencies) / (time.perf_counter() - begun), 1), **spread(latencies)}


async def completed(target: Server, pipeline_id: str, count: int) -> dict[str, float]:
    sent: dict[str, float] = {}
    waiting = iter(range(count))

    async def send() -> None:
        connection = target.connection()
        for _ in waiting:
            now = time.time()
            sent[await trigger(connection, pipeline_id)] = now

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    await drained(target)
    connection = target.connection()
    ended = {run_id: await _completed_at(connection, run_id) for run_id in sent}
    took = max(ended.values()) - min(sent.values())
    latencies = [ended[run_id] - begun for run_id, begun in sent.items()]
    return {"per_s": round(count / took, 1), **spread(latencies)}


async def alone(target: Server, pipeline_id: str, count: int) -> dict[str, float]:
    connection, latencies = target.connection(), []
    for _ in range(count):
        begun = time.time()
        run_id = await trigger(connection, pipeline_id)
        await asyncio.sleep(0.3)
        latencies.append(await _completed_at(connection, run_id) - begun)
    return spread(latencies)


async def streamed(target: Server, pipeline_id: str, count: int) -> dict[str, float]:
    delays: list[float] = []
    for _ in range(count):
        run_id = await trigger(target.connection(), pipeline_id)
        reader, writer = await target.connection().stream(f"/api/runs/{run_id}/stream")
        while line := await reader.readline():
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                delays.append(time.time() - _seconds(event["created_at"]))
                if event.get("status") == "completed" and "step_id" not in event:
                    break
        writer.close()
    return spread(delays)


async def answer_in(
    provider_url: str, *, token_ms: int = 25, latency_ms: int = 0, tokens: int = 9
) -> None:
    """Have the provider answer in so many pieces, so far apart, after a silence."""
    wanted = {"token_ms": token_ms, "tokens": tokens, "latency_ms": latency_ms}
    await Connection(provider_url.removesuffix("/v1")).request("POST", "/_control/config", wanted)


async def most_in_flight(provider_url: str) -> int:
    connection = Connection(provider_url.removesuffix("/v1"))
    _, stats = await connection.request("GET", "/_control/stats")
    return stats["max_inflight"]


async def drained(target: Server, pipeline_id: str = "") -> None:
    connection = target.connection()
    of_pipeline = f"&pipeline_id={pipeline_id}" if pipeline_id else ""
    unfinished = f"/api/runs?status=pending&status=running&limit=1{of_pipeline}"
    async with asyncio.timeout(600):
        while (await connection.request("GET", unfinished))[1]["data"]:  # noqa: ASYNC110 - as a client would
            await asyncio.sleep(0.2)


async def trigger(connection: Connection, pipeline_id: str) -> str:
    status, accepted = await connection.request("POST", f"/api/webhooks/{pipeline_id}", {"x": 1})
    if status != 202:
        raise SystemExit(f"A trigger was answered {status}: {accepted}")
    return accepted["run_id"]


async def _completed_at(connection: Connection, run_id: str) -> float:
    _, run = await connection.request("GET", f"/api/runs/{run_id}")
    if run["status"] != "completed":
        raise SystemExit(f"Run {run_id} is {run['status']}: {run['error']}")
    return _seconds(run["completed_at"])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        f"p{percent}_ms": round(ordered[len(ordered) * percent // 100] * 1000, 1)
        for percent in (50, 95, 99)
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    asyncio.run(main(parser.parse_args().database_url))
