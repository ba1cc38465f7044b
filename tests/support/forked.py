"""Forks processes from a process that has imported stepIQ, because the import takes two seconds of CPU."""

import asyncio
import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

from tests.support.lifetimes import die_with_parent

_ROOT = Path(__file__).parents[2]
_LIBRARIES = (
    "aiosqlite",
    "httpcore2",
    "jsonpath_rfc9535",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "stepiq.cli.demo",
    "stepiq.cli.pipelines.run",
    "stepiq.cli.main",
    "stepiq.cli.remote.commands",
    "stepiq.cli.worker",
    "stepiq.cli.pipelines.workbench",
    "stepiq.server.app",
    "stepiq.server.serving",
)
_LONGEST = 128 * 1024
"""Bytes of a request or an answer."""


class ForkServerError(Exception):
    """A request to the fork server failed, or the fork server has ended."""


class ForkedProcess:
    """One process, with the subset of `asyncio.subprocess.Process` that tests of servers need.

    Args:
        arguments: arguments of the command.
        folder: its working directory.
        environment: all its environment variables.
        output: the file that its output is appended to, or the descriptors of its standard input, output and error.
        program: what it runs: the command `stepiq`, or a module as `python -m` would.
        python: the interpreter with which it starts other processes. None means this one.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: Path | Sequence[int],
        program: str = "stepiq",
        python: str | None = None,
    ) -> None:
        self.returncode: int | None = None
        log, streams = (str(output), ()) if isinstance(output, Path) else ("", output)
        self.pid: int = _ask(
            streams,
            arguments=arguments,
            folder=str(folder),
            environment=dict(environment),
            log=log,
            program=program,
            python=python,
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


def listen(address: Path) -> None:
    """Have the fork server also take requests at a new socket, from `tests.support.forked_programs`."""
    _ask(address=str(address))


def _ask(streams: Sequence[int] = (), **request: Any) -> Any:
    server = _server()
    socket.send_fds(server, [json.dumps(request).encode()], streams)
    answer = server.recv(_LONGEST)
    if not answer:
        raise ForkServerError("The fork server has ended.")
    decoded = json.loads(answer)
    if "error" in decoded:
        raise ForkServerError(decoded["error"])
    return decoded["result"]


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", __name__]
        _started.append(
            subprocess.Popen(command, cwd=_ROOT, stdin=theirs.fileno(), start_new_session=True)
        )
    return ours


_started: list[subprocess.Popen[bytes]] = []
"""The fork server. An object without a reference would warn that its process is still running."""


def _serve() -> None:
    """Fork a process for each request until the test process closes the socket. The processes end with this one."""
    # A shell starts background jobs with SIGINT ignored, and programs inherit this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for library in _LIBRARIES:
        __import__(library)
    gc.freeze()
    _ForkServer(socket.socket(fileno=os.dup(0))).serve()


class _ForkServer:
    def __init__(self, tests: socket.socket) -> None:
        self._tests = tests
        self._selector = selectors.DefaultSelector()
        self._watch(tests, self._answer)

    def serve(self) -> None:
        while self._tests.fileno() >= 0:
            # The others wait until the next call, because an action can close them.
            (key, _), *_ = self._selector.select()
            key.data()

    def _watch(self, source: socket.socket | int, act: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, act)

    def _answer(self) -> None:
        request, streams, _, _ = socket.recv_fds(self._tests, _LONGEST, 3)
        if request:
            answer = self._result(json.loads(request), streams)
            self._tests.send(json.dumps(answer).encode())
        else:
            self._tests.close()

    def _result(self, request: dict[str, Any], streams: list[int]) -> dict[str, Any]:
        try:
            if "address" in request:
                return {"result": self._listen(request["address"])}
            if "ended" in request:
                return {"result": _end(request["ended"])}
            return {"result": self._fork(streams, **request)}
        except Exception:
            return {"error": traceback.format_exc()}
        finally:
            _close(streams)

    def _listen(self, address: str) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(address)
        listener.listen(64)
        self._watch(listener, partial(self._accept, listener))

    def _accept(self, listener: socket.socket) -> None:
        """Fork a process for a program, which then sends the numbers of signals, and gets the exit code."""
        program, _ = listener.accept()
        request, streams, _, _ = socket.recv_fds(program, _LONGEST, 3)
        if not request:
            program.close()
            return
        pid = self._fork(streams, **json.loads(request))
        _close(streams)
        process = os.pidfd_open(pid)
        self._watch(program, partial(self._signal, program, pid))
        self._watch(process, partial(self._report, process, pid, program))

    def _signal(self, program: socket.socket, pid: int) -> None:
        number = program.recv(_LONGEST)
        # A program that was killed takes its process with it.
        os.kill(pid, int(number or signal.SIGKILL))
        if not number:
            self._selector.unregister(program)
            program.close()

    def _report(self, process: int, pid: int, program: socket.socket) -> None:
        self._selector.unregister(process)
        os.close(process)
        code = _end(pid)
        if program.fileno() >= 0:
            self._selector.unregister(program)
            with suppress(OSError):
                program.send(str(code).encode())
            program.close()

    def _fork(
        self,
        streams: list[int],
        arguments: list[str],
        folder: str,
        environment: dict[str, str],
        log: str,
        program: str,
        python: str | None,
    ) -> int:
        if not streams:
            output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            # The caller closes them.
            streams += [os.open(os.devnull, os.O_RDONLY), output, os.dup(output)]
        pid = os.fork()
        if pid == 0:
            _close([key.fd for key in self._selector.get_map().values()])
            self._selector.close()
            sys.executable = python or sys.executable
            _run(program, arguments, folder, environment, streams)
        return pid


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _end(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _run(
    program: str,
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    streams: list[int],
) -> NoReturn:
    die_with_parent()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    # A reader of a pipe waits until all its copies are closed.
    _close(streams)
    # A terminal is written to line by line, unlike a file or pipe.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        # Python reads it only at its start.
        sys.path[:0] = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
        sys.argv = [program, *arguments]
        if program == "stepiq":
            from stepiq.cli.main import main

            main()
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        _exit(error.code)
    except BaseException:
        traceback.print_exc()
        _exit(1)
    _exit(0)


def _exit(code: Any) -> NoReturn:
    """End the process as Python does, except that it does not delete all modules.

    Deleting them would copy most of the memory that the process shares with the fork server.
    """
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    _serve()
