"""`stepiq serve --processes N`: a parent process with the listening sockets, and child processes that serve on them.

The parent imports little and opens no connection. It forks the children before they import the server, and replaces
those that end. Each child is a complete server.
"""

import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from stepiq.core.errors import Unavailable
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.server.connections.listening import bind, bind_metrics

_STABLE_SECONDS = 10.0
"""A process that ends sooner after its start has failed."""
_MAX_FAILURES = 6
_MAX_PAUSE_SECONDS = 30.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

log = logging.get(__name__)


class ProcessesFail(Unavailable):
    """The processes of the server end soon after each start."""

    code = "processes_fail"


@dataclass(frozen=True, slots=True)
class Sockets:
    """The listening sockets of a server."""

    api: socket.socket
    metrics: socket.socket | None
    """`STEPIQ_METRICS_PORT`, if it is set."""

    @classmethod
    def bound(cls, settings: Settings) -> "Sockets":
        """Bind the ports.

        Raises:
            AddressInUse, AddressUnusable: the server cannot listen there.
        """
        return cls(bind(settings.host, settings.port, "STEPIQ_PORT"), bind_metrics(settings))


@dataclass(frozen=True, slots=True)
class ServerChild:
    """This process, if it is one of several."""

    number: int
    """From 1. A process has the number of the one that it replaces."""
    is_first: bool
    """Whether the server starts with it. It prints what the operator reads once."""
    sockets: Sockets
    parent: socket.socket
    """Readable when the parent has ended."""

    def report_ready(self) -> None:
        """Tell the parent that this process serves. The parent then starts the others."""
        with suppress(OSError):
            self.parent.send(b"1")


@dataclass(slots=True)
class _Slot:
    """The place of one child and its replacements."""

    number: int
    due: float = 0.0
    """When to start the next child, on the monotonic clock."""
    pid: int | None = None
    started_at: float = 0.0
    channel: socket.socket | None = None
    failures: int = 0
    """How many children in a row have failed."""

    def is_stable(self, now: float) -> bool:
        return self.pid is not None and now - self.started_at >= _STABLE_SECONDS


def divide(settings: Settings, processes: int) -> ServerChild:
    """Start the processes. Returns in each child; the parent exits when all of them have ended.

    Raises:
        AddressInUse, AddressUnusable: the server cannot listen there.
        ProcessesFail: in the parent.
    """
    return _ParentProcess(Sockets.bound(settings), processes).run()


class _ParentProcess:
    def __init__(self, sockets: Sockets, processes: int) -> None:
        self._sockets = sockets
        self._slots = [_Slot(number + 1) for number in range(processes)]
        self._is_ready = False
        """Whether a child has been ready."""
        self._stops: list[int] = []
        """The signals that asked the server to stop."""
        self._failure: ProcessesFail | None = None
        self._woken, self._wake = socket.socketpair()
        for each in (self._woken, self._wake):
            each.setblocking(False)

    def run(self) -> ServerChild:
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for each in _SIGNALS:
            signal.signal(each, self._note)
        while True:
            now = time.monotonic()
            for slot in [each for each in self._vacant() if each.due <= now]:
                if (child := self._start(slot)) is not None:
                    return child
            self._wait()
            self._reap()
            if self._is_stopping and not any(slot.pid for slot in self._slots):
                self._end()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        self._stops.append(number)
        self._send(signal.SIGTERM)

    @property
    def _is_stopping(self) -> bool:
        return bool(self._stops) or self._failure is not None

    def _send(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid is not None:
                os.kill(slot.pid, number)

    def _vacant(self) -> list[_Slot]:
        """The slots that need a child."""
        if self._is_stopping:
            return []
        # The first child migrates the database, and reports what keeps the server from starting.
        slots = self._slots if self._is_ready else self._slots[:1]
        return [slot for slot in slots if slot.pid is None]

    def _start(self, slot: _Slot) -> ServerChild | None:
        """Fork. Returns in the child with it, and in the parent with None."""
        ours, theirs = socket.socketpair()
        # A signal between the fork and the reset of its handlers would be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._forget()
            child = ServerChild(slot.number, not self._is_ready, self._sockets, theirs)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return child
        theirs.close()
        slot.pid, slot.channel, slot.started_at = pid, ours, time.monotonic()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None

    def _forget(self) -> None:
        """Release in a child what belongs to the parent."""
        # Otherwise the Ctrl-C of a terminal would reach the children twice, which ends them immediately.
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channels = [slot.channel for slot in self._slots if slot.channel is not None]
        for each in (self._woken, self._wake, *channels):
            each.close()

    def _wait(self) -> None:
        """Wait for a signal, for the first child to be ready, or until a child is due."""
        due = min((slot.due for slot in self._vacant()), default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic())
        first = None if self._is_ready else self._slots[0].channel
        read = [self._woken] if first is None else [self._woken, first]
        readable, _, _ = select.select(read, [], [], timeout)
        if self._woken in readable:
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        if first is not None and first in readable and first.recv(1):
            self._is_ready = True

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            # As the first process of a container, the parent also reaps orphans.
            for slot in self._slots:
                if slot.pid == pid:
                    self._ended(slot, os.waitstatus_to_exitcode(status))

    def _ended(self, slot: _Slot, code: int) -> None:
        now = time.monotonic()
        is_stable = slot.is_stable(now)
        slot.pid = None
        if slot.channel is not None:
            slot.channel.close()
            slot.channel = None
        if self._is_stopping:
            return
        if not self._is_ready and code >= 0:
            # It has reported why.
            sys.exit(code)
        slot.failures = 0 if is_stable else slot.failures + 1
        pause = 0.0 if slot.failures < 2 else min(2.0 ** (slot.failures - 2), _MAX_PAUSE_SECONDS)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        log.error("process_ended", process=slot.number, how=how, restarts_in_seconds=pause)
        slot.due = now + pause
        if slot.failures >= _MAX_FAILURES and not any(each.is_stable(now) for each in self._slots):
            self._failure = ProcessesFail(
                f"Process {slot.number} has ended {slot.failures} times soon after its start, the last time with {how}. The log"
                " shows why."
            )
            self._send(signal.SIGTERM)

    def _end(self) -> None:
        if self._failure is not None:
            raise self._failure
        if len(self._stops) > 1:
            # As in a server with one process.
            signal.signal(self._stops[-1], signal.SIG_DFL)
            os.kill(os.getpid(), self._stops[-1])
            os._exit(128 + self._stops[-1])
        sys.exit(0)
