"""Measure the start of a server, and what it needs at rest; see README.md beside this file.

Usage: python bench/start.py [--checkout DIR ...] [--rounds N] [--idle-seconds N] [--database-url URL]
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from run import Server as Process
from run import answering, configured, drained, first_key, free_port, pipeline, provider, trigger

HERE = Path(__file__).resolve().parent.parent
ROWS = (
    "first start s",
    "start s",
    "start CPU s",
    "threads",
    "processes",
    "RSS MB",
    "PSS MB",
    "idle CPU %",
)
AFTER_RUN = ("RSS MB after runs", "PSS MB after runs", "idle CPU % after runs")
STEPS = """\
  - {{id: greeting, type: transform, template: 'Hello {{{{input.x}}}}'}}
  - {{id: answer, model: openai/gpt-4o-mini, prompt: '{{{{steps.greeting.output}}}}', if: size(run.id) > 3}}
"""


class Tree(Process):
    """A server with its child processes."""

    def pids(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def cpu_seconds(self) -> float:
        return sum(Process(self.url, pid, "").cpu_seconds() for pid in self.pids())

    def figures(self) -> dict[str, float]:
        """Memory of all processes. Pages that they share count once in PSS, and once for each process in RSS."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids()]
        return {
            f"{name.upper()} MB": sum(int(text.split(f"{name}:")[1].split()[0]) for text in rollups)
            / 1024
            for name in ("Rss", "Pss")
        }

    def threads(self) -> int:
        return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in self.pids())

    async def idle_cpu(self, seconds: float) -> float:
        """Share of one core, in percent."""
        before = self.cpu_seconds()
        await asyncio.sleep(seconds)
        return (self.cpu_seconds() - before) * 100 / seconds


async def main(options: argparse.Namespace) -> None:
    checkouts = [path.resolve() for path in options.checkout or [HERE]]
    measured: dict[Path, list[dict[str, float]]] = {path: [] for path in checkouts}
    async with provider() as provider_url:
        for number in range(options.rounds + 1):
            for path in checkouts:
                figures = await measure(path, provider_url, options)
                if number:  # The first round stores bytecode, and fills the disk cache.
                    measured[path].append(figures)
                    print(
                        path.name,
                        json.dumps({name: round(value, 2) for name, value in figures.items()}),
                    )
    names = [path.name for path in checkouts]
    print(f"\n{'median':24}" + "".join(f"{name:>14}" for name in names))
    for row in ROWS + AFTER_RUN:
        medians = [statistics.median(each[row] for each in measured[path]) for path in checkouts]
        print(f"{row:24}" + "".join(f"{value:14.2f}" for value in medians))


async def measure(
    checkout: Path, provider_url: str, options: argparse.Namespace
) -> dict[str, float]:
    """Start a server twice with the same data: with a new database, and with one that has an account and a pipeline."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="stepiq-bench-") as name:
        folder = Path(name)
        async with served(checkout, folder, provider_url, options.database_url) as (
            target,
            seconds,
        ):
            figures["first start s"] = seconds
            key = await first_key(target.url, folder)
            pipeline_id = await pipeline(Process(target.url, target.pid, key), "start", STEPS, 1)
        async with served(checkout, folder, provider_url, options.database_url, key) as (
            target,
            seconds,
        ):
            figures |= {"start s": seconds, "start CPU s": target.cpu_seconds()}
            # What a server prepares in the background after its start is done by then.
            await asyncio.sleep(5)
            figures["idle CPU %"] = await target.idle_cpu(options.idle_seconds)
            figures |= target.figures()
            figures |= {"threads": target.threads(), "processes": len(target.pids())}
            for _ in range(3):
                await trigger(target.connection(), pipeline_id)
            await drained(target)
            await asyncio.sleep(5)
            figures["idle CPU % after runs"] = await target.idle_cpu(options.idle_seconds)
            figures |= {f"{row} after runs": value for row, value in target.figures().items()}
    return figures


@contextlib.asynccontextmanager
async def served(
    checkout: Path, folder: Path, provider_url: str, database_url: str, api_key: str = ""
) -> AsyncIterator[tuple[Tree, float]]:
    """A server of that checkout, and the seconds from its start until `/ready` answered 200."""
    port = free_port()
    environment = os.environ | configured(port, folder, database_url, provider_url)
    # Without stored bytecode, each start would compile stepIQ. Packages of a release have it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        checkout / ".venv/bin/python",
        *("-m", "stepiq", "serve"),
        cwd=checkout,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await answering(f"{url}/ready")
        yield Tree(url, process.pid, api_key), time.perf_counter() - begun
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkout",
        type=Path,
        action="append",
        help="folder with a .venv, can be repeated; default: this one",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="measured rounds; one more is discarded"
    )
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument(
        "--database-url",
        default="",
        help="empty database, for one checkout and round; default: SQLite",
    )
    asyncio.run(main(parser.parse_args()))
