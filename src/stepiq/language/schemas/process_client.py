"""The server's side of the process that validates what may take long."""

import pickle
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from pydantic_core import from_json, to_json

from stepiq.core.errors import Issue, Unavailable
from stepiq.core.json import Json
from stepiq.core.observability import logging
from stepiq.language.places import Path

_MODULE = "stepiq.language.schemas.process"
_ENVIRONMENT = {"TZ": "UTC"}
"""The process gets no setting or secret of the server."""
_TRIES = 2
_BROKEN_SECONDS = 60
"""How long no process is started after two failures in a row."""

log = logging.get(__name__)


class ValidationUnavailable(Unavailable):
    """The process that validates large values cannot be started, or does not answer."""

    code = "validation_unavailable"


class SchemaProcess:
    """A process that validates one value at a time. It starts on first use, and again if it has failed.

    It ends with the server, because the other end of its connection is closed then.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, answer_seconds: float = 30.0
    ) -> None:
        """Create it without starting it. A validation takes less than half a second on a free processor."""
        self._now = now
        self.answer_seconds = answer_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[bytes, bytes] | None = None
        self._broken_until = 0.0

    @property
    def pid(self) -> int | None:
        """Id of the process, if it was started."""
        return self._process.pid if self._process else None

    def issues(
        self, document: dict[str, Json], value: Json, at: Path, subject: str
    ) -> tuple[Issue, ...]:
        """What `Schema.issues` returns for this schema. Blocks the thread, without the GIL.

        Raises:
            ValidationUnavailable: the process has failed twice, now or in the last minute.
        """
        question = to_json(document), pickle.dumps((value, at, subject))
        with self._turn:
            for _ in range(_TRIES if self._now() >= self._broken_until else 0):
                try:
                    return self._ask(question)
                except (OSError, EOFError) as error:
                    self._stop()
                    self._broken_until = self._now() + _BROKEN_SECONDS
                    log.warning("schema_process_failed", error=repr(error))
                except BaseException:
                    # Its answer must not be taken for that of the next question.
                    self._stop()
                    raise
        raise ValidationUnavailable(
            "The server cannot check large values now. Try again in a minute.",
            timedelta(seconds=_BROKEN_SECONDS),
        )

    def _ask(self, question: tuple[bytes, bytes]) -> tuple[Issue, ...]:
        connection = self._connection or self._start()
        _limit_time(connection, self.answer_seconds)
        for message in question:
            connection.send_bytes(message)
        answer = b""
        while message := connection.recv_bytes():
            answer = message
        self._broken_until = 0.0
        return tuple(Issue(*each) for each in from_json(answer))

    def _start(self) -> "Connection[bytes, bytes]":
        ours, theirs = Pipe()
        self._connection = ours
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - runs this Python with a module of stepiq
                [sys.executable, "-I", "-m", _MODULE, str(theirs.fileno())],
                env=_ENVIRONMENT,
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return ours

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


_of_thread = threading.local()
_of_other_threads = SchemaProcess()


def use(process: SchemaProcess | None) -> None:
    """Set the process for this thread."""
    _of_thread.process = process


def of_this_thread() -> SchemaProcess:
    """The process that validates for this thread."""
    return getattr(_of_thread, "process", None) or _of_other_threads


def _limit_time(connection: "Connection[bytes, bytes]", seconds: float) -> None:
    """Let each read and write of a connection raise `BlockingIOError` after this time."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    with socket.socket(fileno=connection.fileno()) as end:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, limit)
        end.detach()
