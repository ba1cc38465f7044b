"""The server's side of the process that forks: asks it for children and has it kill them."""

import asyncio
import itertools
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

from stepiq.sandbox.orders import DEMOTE, FORK, KILL, Order

ENVIRONMENT = {"TZ": "UTC", "MALLOC_ARENA_MAX": "1"}
"""All that the processes get of one. Nothing of the server's, which has its secrets there."""
_MODULE = "stepiq.sandbox.fork_server"
# Told by the end of its connection, it kills its children and ends in a few milliseconds; it sends no sign of it.
STOP_TRIES = 200
_STOP_PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class Child:
    """A process that waits for its one job."""

    number: int
    connection: socket.socket


class ForkServerClient:
    """Starts the forking process when a child is first wanted, and again whenever it is found dead."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._numbers = itertools.count()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The forking process, while there is one."""
        return None if self._process is None else self._process.pid

    def bear(self) -> Child:
        """Ask for a child. It may never come to be: then its connection closes.

        Raises:
            OSError: no process can be started, or the nursery is closed.
        """
        if self._closed:
            raise OSError("closed")
        if self._process is None or self._process.poll() is not None:
            self._start()
        ours, theirs = socket.socketpair()
        child = Child(next(self._numbers), ours)
        try:
            with theirs:
                self._tell(Order(FORK, child.number), theirs)
        except OSError:
            ours.close()
            self.stop()
            raise
        return child

    def kill(self, child: Child) -> None:
        """See to it that the child ends, if it has not."""
        try:
            self._tell(Order(KILL, child.number))
        except OSError:
            # It is gone, and its children with it.
            self.stop()

    def demote(self, child: Child) -> None:
        """Lower the priority of a child, if it is still running."""
        # If the forking process is gone, so are its children.
        with suppress(OSError):
            self._tell(Order(DEMOTE, child.number))

    def stop(self) -> None:
        """End the forking process and its children at once; the next child gets a new one."""
        control, self._control = self._control, None
        process, self._process = self._process, None
        if control is not None:
            control.close()
        if process is not None:
            # Its children see it die.
            process.kill()
            process.wait()

    async def close(self) -> None:
        """End the forking process and its children; no more are born."""
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
                    [sys.executable, "-I", "-m", _MODULE, str(theirs.fileno())],
                    env=ENVIRONMENT,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        self._control = ours

    def _tell(self, order: Order, connection: socket.socket | None = None) -> None:
        if self._control is None:
            raise OSError("not running")
        # It fits into the buffer with thousands more, unless the other side is stuck: then this raises.
        if connection is None:
            self._control.send(order.pack())
        else:
            socket.send_fds(self._control, [order.pack()], [connection.fileno()])
