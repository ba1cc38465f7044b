"""A child: a process for one run. It receives the job, runs it, sends the outcome and exits."""

import json
import os
import socket
from collections.abc import Callable

from stepiq.sandbox import frames, limits
from stepiq.sandbox.frames import Job
from stepiq.sandbox.interpreters import javascript, output, python
from stepiq.sandbox.interpreters.output import Printed, ProcessEnding
from stepiq.sandbox.isolation.resources import detach
from stepiq.sandbox.isolation.walls import Confinement, WallMissing, Walls


def live(connection: socket.socket, lifeline: int, walls: Walls) -> None:
    """Execute the one job that arrives over `connection`."""
    parent = os.getppid()
    detach()
    try:
        _, told = frames.read_blocking(connection)
        _, data = frames.read_blocking(connection)
        walls.enter()
        job = Job.unpack(told)
        serve(connection, job, data, walls.confine(parent, lifeline, job.timeout_seconds))
    except WallMissing as missing:
        connection.sendall(frames.pack(frames.NOT_CONFINED, str(missing).encode(errors="replace")))
    except (frames.BrokenFrame, OSError):
        return  # the server closed the connection


def serve(connection: socket.socket, job: Job, data: bytes, confinement: Confinement) -> None:
    """Run the job, and send its output and outcome to `connection`."""

    def send_lines(lines: str) -> None:
        connection.sendall(frames.pack(frames.LINES, lines.encode(errors="replace")))

    def ready(worker: int | None) -> None:
        confinement.close(worker)
        connection.sendall(frames.pack(frames.STARTED))

    printed = Printed(send_lines)
    try:
        ending = _run(job, data, printed, ready, confinement)
    except MemoryError:
        ending = output.limit(limits.OUT_OF_MEMORY)
    printed.finish()
    connection.sendall(ending.pack())


def _run(
    job: Job,
    data: bytes,
    printed: Printed,
    ready: Callable[[int | None], None],
    confinement: Confinement,
) -> ProcessEnding:
    if job.language == "javascript":
        ready(None)
        return javascript.run(job, data, printed)
    return python.run(job, json.loads(data), printed, ready, confinement)
