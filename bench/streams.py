"""Measure a thousand listeners, on one run and on a thousand; see README.md beside this file.

Usage: python bench/streams.py [--listeners 1000] [--database-url URL]
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parent))
import run as bench
from client import Connection

# One account for all listeners: what a workspace may have is not what is measured.
SERVE = """\
import sys
from stepiq.cli.main import main
from stepiq.runs.streams import listeners
listeners.MAX_STREAMS_PER_WORKSPACE = listeners.MAX_STREAMS
listeners.RESERVED_STREAMS = 0
sys.argv[1:] = ["serve"]
main()
"""
ONE_ADDRESS = {"STEPIQ_MAX_CONNECTIONS": "8000", "STEPIQ_MAX_CONNECTIONS_PER_ADDRESS": "2000"}
# How long a model thinks before its first word is so long that everybody is listening by then. A process carries 500 runs
# at once; those that come after them need not wait.
ONE_RUN = {"latency_ms": 15_000, "token_ms": 200, "tokens": 75}
MANY_RUNS = {"latency_ms": 60_000, "token_ms": 1_000, "tokens": 15}
CONNECTING = 16
SETTLED_SECONDS = 5
LONGEST_SECONDS = 400

_EVENT = re.compile(rb'event: (\S+)\ndata: (.*"created_at":"([^"]+)"\})\n(?:id: (\d+)\n)?\n')
_FINAL = re.compile(rb'"status":"(completed|failed|cancelled)"')


class Listener(asyncio.Protocol):
    """One connection that follows one run. It looks at what comes as little as it can."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        loop = asyncio.get_running_loop()
        self.begun, self.ended = loop.create_future(), loop.create_future()
        self.numbers: list[int] = []
        self.arrived: list[tuple[bytes, float]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self.begun.done():
            if not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"A stream was answered {data[:200]!r}.")
            self.begun.set_result(None)
        self._rest += data
        last = None
        for last in _EVENT.finditer(self._rest):
            kind, payload, created_at, number = last.groups()
            self.arrived.append((created_at, now))
            if number:
                self.numbers.append(int(number))
            if kind == b"run.status" and _FINAL.search(payload) and not self.ended.done():
                self.ended.set_result(None)
                self._transport.close()
        if last is not None:
            self._rest = self._rest[last.end() :]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(SystemExit(f"A stream ended before its run: {exc!r}"))


async def main(count: int, database_url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stepiq-streams-") as folder:
        async with (
            bench.provider() as provider_url,
            bench.server(
                Path(folder), database_url, provider_url, {}, ("-c", SERVE), environment=ONE_ADDRESS
            ) as target,
        ):
            pipeline = await bench.pipeline(target, "told", bench.MODEL_CALL, 1)
            # The model library is imported right after the start; a first run has everything else loaded.
            await asyncio.sleep(SETTLED_SECONDS)
            await bench.completed(target, pipeline, 1)
            columns = {
                f"{count} on one run": await measured(
                    target, provider_url, ONE_RUN, pipeline, count, runs=1
                ),
                f"{count} on {count} runs": await measured(
                    target, provider_url, MANY_RUNS, pipeline, count, runs=count
                ),
                # Shows whether the memory of those who have left is used again.
                "once more on one run": await measured(
                    target, provider_url, ONE_RUN, pipeline, count, runs=1
                ),
            }
    shown(columns)


def shown(columns: dict[str, dict[str, Any]]) -> None:
    names = list(next(iter(columns.values())))
    width = max(map(len, names))
    print(" " * width, *(f"{title:>20}" for title in columns))
    for name in names:
        print(f"{name:{width}}", *(f"{figures[name]!s:>20}" for figures in columns.values()))


async def measured(
    target: bench.Server,
    provider_url: str,
    behaviour: dict[str, int],
    pipeline_id: str,
    count: int,
    runs: int,
) -> dict[str, Any]:
    await configured(provider_url, behaviour)
    before = target.memory_mb()
    begun = time.perf_counter()
    run_ids = await triggered(target, pipeline_id, runs)
    listeners = await listening(target, run_ids * (count // runs))
    connected = time.perf_counter() - begun
    await configured(provider_url, {**behaviour, "latency_ms": 0})
    from_moment, from_cpu, from_time = time.time(), target.cpu_seconds(), time.perf_counter()
    with_all = target.memory_mb()
    async with asyncio.timeout(LONGEST_SECONDS):
        await asyncio.gather(*(listener.ended for listener in listeners))
    took, cpu = time.perf_counter() - from_time, target.cpu_seconds() - from_cpu
    at_end = target.memory_mb()
    delays = [
        now - created
        for listener in listeners
        for created, now in ((_seconds(at), now) for at, now in listener.arrived)
        if created > from_moment
    ]
    whole = sum(
        listener.numbers == list(range(1, len(listener.numbers) + 1)) for listener in listeners
    )
    await asyncio.sleep(SETTLED_SECONDS)
    return {
        "listeners that heard the whole log once": whole,
        "s until all were listening": round(connected, 1),
        "events received": len(delays),
        "events/s": round(len(delays) / took),
        **{f"recorded to received, {name}": value for name, value in bench.spread(delays).items()},
        "server CPU, % of a core": round(cpu / took * 100),
        "server CPU an event received, us": round(cpu / len(delays) * 1e6),
        "server memory before, MB": round(before),
        "server memory with all listening, MB": round(with_all),
        "server memory at the end, MB": round(at_end),
        "server memory 5 s after, MB": round(target.memory_mb()),
    }


async def configured(provider_url: str, behaviour: dict[str, int]) -> None:
    control = Connection(provider_url.removesuffix("/v1"))
    await control.request("POST", "/_control/config", behaviour)
    control.close()


async def triggered(target: bench.Server, pipeline_id: str, count: int) -> list[str]:
    run_ids: list[str] = []
    waiting = iter(range(count))

    async def send() -> None:
        connection = target.connection()
        for _ in waiting:
            run_ids.append(await bench.trigger(connection, pipeline_id))
        connection.close()

    await asyncio.gather(*(send() for _ in range(CONNECTING)))
    return run_ids


async def listening(target: bench.Server, run_ids: list[str]) -> list[Listener]:
    host, _, port = target.url.removeprefix("http://").partition(":")
    listeners: list[Listener] = []
    waiting = iter(run_ids)

    async def connect() -> None:
        for run_id in waiting:
            head = f"GET /api/runs/{run_id}/stream HTTP/1.1\r\nHost: {host}:{port}\r\n"
            request = f"{head}X-API-Key: {target.api_key}\r\n\r\n".encode()
            _, listener = await asyncio.get_running_loop().create_connection(
                lambda request=request: Listener(request), host, int(port)
            )
            listeners.append(listener)
            await listener.begun

    await asyncio.gather(*(connect() for _ in range(CONNECTING)))
    return listeners


_moments: dict[bytes, float] = {}


def _seconds(moment: bytes) -> float:
    # Many listeners hear of one moment.
    if moment not in _moments:
        _moments[moment] = datetime.fromisoformat(moment.decode()).timestamp()
    return _moments[moment]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=1_000)
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.listeners, arguments.database_url))
