"""Client of the fork server: requests children and kills them."""

import asyncio
import itertools
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

from stepiq.sandbox.frames import DEMOTE, FORK, KILL, Order

ENVIRONMENT = {"TZ": "UTC", "MALLOC_ARENA_MAX": "1"}
"""The complete environment of the processes. The server's environment is not passed on, because it contains secrets."""
_MODULE = "stepiq.sandbox.fork_server"
# When its connection closes, the fork server kills its children and ends within milliseconds, without notification.
STOP_TRIES = 200
_STOP_PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class Child:
    """A process that waits for its only job."""

    number: int
    connection: socket.socket


class ForkServerClient:
    """Starts the fork server for the first child, and again if it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._numbers = itertools.count()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the fork server, or None if it is not started."""
        return None if self._process is None else self._process.pid

    def bear(self) -> Child:
        """Request a child. The process may fail to start; its connection then closes.

        Raises:
            OSError: the fork server cannot be started, or this client is closed.
        """
        if self._closed:
            raise OSError("closed")
        if self._process is None or self._process.poll() is not None:
            self._start()
        ours, theirs = socket.socketpair()
        child = Child(next(self._numbers), ours)
        try:
            with theirs:
                self._order(Order(FORK, child.number), theirs)
        except OSError:
            ours.close()
            self.stop()
            raise
        return child

    def kill(self, child: Child) -> None:
        """Kill the child if it is still running."""
        try:
            self._order(Order(KILL, child.number))
        except OSError:
            # The fork server has died, and its children with it.
            self.stop()

    def demote(self, child: Child) -> None:
        """Lower the priority of a child, if it is still running."""
        # If the fork server has died, so have its children.
        with suppress(OSError):
            self._order(Order(DEMOTE, child.number))

    def stop(self) -> None:
        """Kill the fork server and its children immediately. The next child starts a new one."""
        control, self._control = self._control, None
        process, self._process = self._process, None
        if control is not None:
            control.close()
        if process is not None:
            # Its children detect its death and end.
            process.kill()
            process.wait()

    async def close(self) -> None:
        """Stop the fork server and its children. No more children can be started."""
        self._closed = True
        if self._control is not None:
            self._control.close()
        if (process := self._process) is not None:
            for _ in range(STOP_TRIES):
                if process.poll() is not None:
                    break
                await asyncio.sleep(_STOP_PAUSE)
        self.stop()

    def _start(self) -> None:
        self.stop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - runs this Python with a module of stepiq
                    [sys.executable, "-I", "-m", _MODULE],
                    env=ENVIRONMENT,
                    cwd="/",
                    # Its number is then small, however many files this process has open, and children replace it.
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                )
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        self._control = ours

    def _order(self, order: Order, connection: socket.socket | None = None) -> None:
        if self._control is None:
            raise OSError("not running")
        # The socket buffer holds thousands of orders. It is full only if the other side is stuck; sending then raises.
        if connection is None:
            self._control.send(order.pack())
        else:
            socket.send_fds(self._control, [order.pack()], [connection.fileno()])
