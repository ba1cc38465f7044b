"""The processes that code runs in."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox.conversation import Outcome
from stepiq.sandbox.sandbox import Sandbox

PR_GET_DUMPABLE = 3
"""The option of `prctl` that reads what `confinement.hide_memory` sets."""
FOREVER = {
    CodeLanguage.PYTHON: "def main(input):\n  print('on')\n  while True: pass",
    CodeLanguage.JAVASCRIPT: "function main(input) { console.log('on'); while (true); }",
}


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def below(pid: int) -> list[int]:
    """All processes below this one."""
    return [found for child in children(pid) for found in (child, *below(child))]


def told(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_text()


def links(pid: int) -> list[str]:
    """Its open files: a path, or a kind and the number of the file."""
    return [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]


def opened(pid: int) -> list[str]:
    """What kind each of its open files is of."""
    return [link.split(":")[0] for link in links(pid)]


async def ended(pids: list[int], seconds: float = 10.0) -> bool:
    """Wait until all of them have ended; a zombie has."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            for pid in pids:
                with suppress(ProcessLookupError):
                    descriptor = os.pidfd_open(pid)
                    gone = asyncio.Event()
                    loop.add_reader(descriptor, gone.set)
                    try:
                        await gone.wait()
                    finally:
                        loop.remove_reader(descriptor)
                        os.close(descriptor)
    except TimeoutError:
        return False
    return True


class Running:
    """Code that runs on and on, and the processes of its own that it runs in."""

    def __init__(self, task: asyncio.Task[Outcome], pids: list[int]) -> None:
        self.task = task
        self.pids = pids


@asynccontextmanager
async def running(sandbox: Sandbox, language: CodeLanguage) -> AsyncIterator[Running]:
    on = asyncio.Event()
    run = sandbox.run(
        language,
        FOREVER[language],
        None,
        timeout=timedelta(seconds=20),
        log=lambda _: on.set(),
    )
    forking = sandbox.pid
    before = set(below(forking)) if forking else set[int]()
    task = asyncio.create_task(run)
    heard = asyncio.ensure_future(on.wait())
    await asyncio.wait([heard, task], return_when=asyncio.FIRST_COMPLETED)
    assert heard.done(), task.result()
    assert sandbox.pid is not None
    pids = [pid for pid in below(sandbox.pid) if pid not in before]
    assert len(pids) == (2 if language is CodeLanguage.PYTHON else 1)
    yield Running(task, pids)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
