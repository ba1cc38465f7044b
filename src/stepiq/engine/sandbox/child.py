"""A child: one process for one run. It hears what to run, runs it, says what came of it and ends."""

import json
import os
import socket
from collections.abc import Callable

from stepiq.engine.sandbox import confinement, endings, frames, javascript, limits, python
from stepiq.engine.sandbox.endings import Ending
from stepiq.engine.sandbox.jobs import Job
from stepiq.engine.sandbox.printed import Printed

Confine = Callable[[int | None], None]
"""Gives up what is no longer needed, before the code runs; with the process of the interpreter, if it is another."""


def live(connection: socket.socket, lifeline: int) -> None:
    """Serve the one run that comes over `connection`."""
    parent = os.getppid()
    confinement.detach()
    confinement.die_with(lifeline)
    try:
        _, told = frames.read_blocking(connection)
        _, data = frames.read_blocking(connection)
        job = Job.unpack(told)
        serve(connection, job, data, lambda worker: _confine(parent, worker, job.timeout_seconds))
    except (frames.BrokenFrame, OSError):
        return  # the server wants no more


def serve(connection: socket.socket, job: Job, data: bytes, confine: Confine) -> None:
    """Run the job; what it prints and how it ends goes to `connection`."""

    def send_lines(lines: str) -> None:
        connection.sendall(frames.pack(frames.LINES, lines.encode(errors="replace")))

    printed = Printed(send_lines)
    try:
        ending = _run(connection, job, data, printed, confine)
    except MemoryError:
        ending = endings.limit(limits.OUT_OF_MEMORY)
    printed.finish()
    connection.sendall(ending.pack())


def _run(
    connection: socket.socket, job: Job, data: bytes, printed: Printed, confine: Confine
) -> Ending:
    def ready(worker: int | None) -> None:
        confine(worker)
        connection.sendall(frames.pack(frames.STARTED))

    if job.language == "javascript":
        ready(None)
        return javascript.run(job, data, printed)
    return python.run(job, json.loads(data), printed, ready)


def _confine(parent: int, worker: int | None, seconds: float) -> None:
    if worker is None:
        confinement.die_with_parent(parent)
    else:
        confinement.confine_worker(worker, seconds)
    confinement.confine(seconds)
