"""The fork server. It has the interpreters loaded but runs no code, so its children are clean and start immediately.

`python -m stepiq.sandbox.fork_server`, with one end of a socket pair as standard input. It ends, together with all its
children, only when the other end closes.
"""

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
from dataclasses import dataclass, field

from stepiq.sandbox import child
from stepiq.sandbox.frames import DEMOTE, FORK, KILL, Order
from stepiq.sandbox.isolation import resources
from stepiq.sandbox.isolation.walls import Walls, find_interpreter

_CONTROL = 0
"""Standard input. A child replaces it, as it does the other standard descriptors."""
_MAX_DESCRIPTORS = 256
"""Limit of the open files of this process and its children, which can therefore close all of them quickly."""
_LOW_PRIORITY = 19
"""Nice value of code that gives way. Other code has 5, and the server 0. With 10, a few endless programs would take a
third of the processors from the server."""


@dataclass
class _Parent:
    control: socket.socket
    lifeline: tuple[int, int]
    """A pipe whose write end only this process has, so it closes when this process dies for any reason."""
    wake: int
    """Readable when a child has ended."""
    walls: Walls
    children: dict[int, int] = field(default_factory=dict[int, int])
    """Process ids by the number that the server assigned."""

    def serve(self) -> None:
        poller = select.poll()
        for descriptor in (self.wake, self.control.fileno()):
            poller.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self.wake in ready:
                os.read(self.wake, 4096)
                self.reap()
            if self.control.fileno() in ready and not self.obey():
                return

    def obey(self) -> bool:
        order, descriptors = _receive(self.control)
        if order is None:
            return False
        if order.verb == FORK and descriptors:
            # Processes that the interpreter starts must not inherit it.
            os.set_inheritable(descriptors[0], False)
            connection = socket.socket(fileno=descriptors[0])
            self.fork(order.number, connection)
            connection.close()
        elif order.verb == KILL and order.number in self.children:
            _kill(self.children[order.number])
        elif order.verb == DEMOTE and order.number in self.children:
            # The interpreter may run in a process that the child started, in the same group.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PGRP, self.children[order.number], _LOW_PRIORITY)
        return True

    def fork(self, number: int, connection: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError:
            return  # the connection closes, which the server detects
        if pid == 0:
            self.become_child(connection)
        self.children[number] = pid
        # The child does the same. Doing it on both sides ensures that the group exists before a kill.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)

    def become_child(self, connection: socket.socket) -> None:
        lifeline, _ = self.lifeline
        try:
            _close_all_but(connection.fileno(), lifeline, *self.walls.descriptors)
            child.live(connection, lifeline, self.walls)
        finally:
            os._exit(0)

    def reap(self) -> None:
        numbers = {pid: number for number, pid in self.children.items()}
        while self.children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # Processes that the child started may still be running.
            _kill(pid)
            self.children.pop(numbers[pid])

    def kill_all(self) -> None:
        for pid in self.children.values():
            _kill(pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _limit_descriptors() -> None:
    # Fails only if the limit is already lower.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_DESCRIPTORS, _MAX_DESCRIPTORS))


def _close_all_but(*kept: int) -> None:
    """Close all descriptors except these and the standard ones, which the child replaces."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, _MAX_DESCRIPTORS)


def _receive(control: socket.socket) -> tuple[Order | None, list[int]]:
    data = b""
    descriptors: list[int] = []
    while len(data) < Order.SIZE:
        part, received, _, _ = socket.recv_fds(control, Order.SIZE - len(data), 1)
        if not part:
            return None, descriptors
        data += part
        descriptors += received
    return Order.unpack(data), descriptors


def main(control: socket.socket) -> None:
    """Serve until the other end of `control` closes."""
    # Ctrl-C in the terminal and a service manager's stop reach this process, too, but the server decides when it ends.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _limit_descriptors()
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    # If the system refuses it, it refuses it to the children too, which then run no code and say why.
    with contextlib.suppress(OSError):
        resources.hide_memory()
    # A collection in a child would copy most of the memory that it shares with this process.
    gc.disable()
    # The interpreter's library tries to import this package at every call, but a child cannot open files.
    sys.modules.setdefault("opentelemetry", None)  # pyright: ignore[reportArgumentType]
    parent = _Parent(control, os.pipe(), wake, Walls.prepare(find_interpreter()))
    try:
        parent.serve()
    finally:
        parent.kill_all()


if __name__ == "__main__":
    main(socket.socket(fileno=_CONTROL))
