"""Forks `stepiq` processes from a process that has imported it, because the import takes two seconds of CPU."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from tests.support.lifetimes import die_with_parent

_ROOT = Path(__file__).parents[2]
_LIBRARIES = ("stepiq.cli.worker", "stepiq.server.app", "stepiq.server.process", "openai")


class ForkServerError(Exception):
    """A request to the fork server failed, or the fork server has ended."""


class ForkedProcess:
    """One `stepiq` command, with the subset of `asyncio.subprocess.Process` that tests of servers need."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self.returncode: int | None = None
        self.pid: int = _ask(
            arguments=arguments, folder=str(folder), environment=dict(environment), log=str(log)
        )

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended the process. None while it runs."""
        if self.returncode is None:
            self.returncode = _ask(ended=self.pid)
        return self.returncode

    async def wait(self) -> int:
        """Wait until the process has ended, and return the exit code."""
        while (code := self.poll()) is None:
            await self._has_ended()
        return code

    async def _has_ended(self) -> None:
        descriptor = os.pidfd_open(self.pid)
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _ask(**request: Any) -> Any:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    line = server.stdout.readline()
    if not line:
        raise ForkServerError(f"The fork server ended with {server.wait()}.")
    answer = json.loads(line)
    if "error" in answer:
        raise ForkServerError(answer["error"])
    return answer["result"]


@cache
def _server() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", __name__]
    return subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )


def _serve() -> None:
    """Fork a process for each request until the test process closes the pipe. The processes end with this one."""
    for library in _LIBRARIES:
        __import__(library)
    gc.freeze()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": _end(request["ended"]) if "ended" in request else _fork(**request)}
    except Exception:
        return {"error": traceback.format_exc()}


def _end(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(arguments: list[str], folder: str, environment: dict[str, str], log: str) -> int:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    pid = os.fork()
    if pid == 0:
        _run(arguments, folder, environment, output)
    os.close(output)
    return pid


def _run(arguments: list[str], folder: str, environment: dict[str, str], output: int) -> NoReturn:
    die_with_parent()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        # Python reads it only at its start.
        sys.path[:0] = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
        sys.argv = ["stepiq", *arguments]

        from stepiq.cli.main import main

        main()
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None
    raise SystemExit


if __name__ == "__main__":
    _serve()
