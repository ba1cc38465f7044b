"""The server's side of the process that validates large values."""

import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from pydantic_core import from_json, to_json

from stepiq.core import logging
from stepiq.core.errors import Issue
from stepiq.core.json import Json, dumps
from stepiq.language.places import Path

_MODULE = "stepiq.language.schema_process"
_ENVIRONMENT = {"TZ": "UTC"}
"""The process gets no setting or secret of the server."""
_TRIES = 2
_ANSWER_SECONDS = 60.0
"""A validation takes a tenth of a second, on a processor that nobody else uses."""

log = logging.get(__name__)


class SchemaProcess:
    """A process that validates one value at a time. It starts on first use, and again if it has ended."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[bytes, bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Id of the process, if it was started."""
        return self._process.pid if self._process else None

    def issues(
        self, document: dict[str, Json], value: Json, at: Path, subject: str
    ) -> tuple[Issue, ...] | None:
        """What `Schema.issues` returns for this schema. Blocks the thread, without the GIL.

        Returns:
            None if the process cannot be started, or has ended twice.
        """
        question = to_json(document), dumps([value, list(at), subject]).encode()
        with self._turn:
            for _ in range(_TRIES):
                try:
                    return self._ask(question)
                except (OSError, EOFError) as error:
                    self._stop()
                    log.warning("schema_process_failed", error=repr(error))
        return None

    def close(self) -> None:
        """End the process. The next question starts another one."""
        with self._turn:
            self._stop()

    def _ask(self, question: tuple[bytes, bytes]) -> tuple[Issue, ...]:
        connection = self._connection or self._start()
        for message in question:
            connection.send_bytes(message)
        if not connection.poll(_ANSWER_SECONDS):
            raise TimeoutError(f"no answer within {_ANSWER_SECONDS:.0f} seconds")
        return tuple(Issue(*each) for each in from_json(connection.recv_bytes()))

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
