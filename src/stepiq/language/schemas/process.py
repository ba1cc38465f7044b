"""The process that validates what may take long: `python -m stepiq.language.schemas.process DESCRIPTOR`.

The library holds the GIL while it validates, so a thread would stop the server. The process answers one question after
the other on the connection with this descriptor, and ends when the other end is closed. It forks for each, so that what
exceeds a limit ends the child only.
"""

import os
import pickle
import resource
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from multiprocessing.connection import Connection

from pydantic_core import from_json, to_json

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.language.places import Path, write_path
from stepiq.language.schemas.validation import Schema, compile_schema

_LOWER_PRIORITY = 10
"""Nice value. The server has 0, so it takes precedence."""
_KEPT = 16
"""Schemas that stay compiled. A compiled schema can need megabytes."""
_MAX_SECONDS = 0.15
"""CPU time for one value, including the list of its errors."""
_MAX_MEMORY = 1024**3


def main() -> None:  # pragma: no cover - the process is not measured
    """Answer questions until the server closes the connection or ends."""
    # The server decides what to do after Ctrl-C, which all processes of a terminal receive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_LOWER_PRIORITY)
    with suppress(OSError, ValueError):  # Not on every system.
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(Connection(int(sys.argv[1])))


def serve(connection: "Connection[bytes, bytes]") -> None:
    """Answer the questions of a `SchemaProcess`. Each is two messages: the schema, and what `Schema.issues` takes.

    The answer is any number of messages, of which the last one before an empty one counts.
    """
    with suppress(EOFError, OSError):
        while True:
            # Both are received first, so that sending them never takes long.
            document, question = connection.recv_bytes(), connection.recv_bytes()
            value, at, subject = pickle.loads(question)  # noqa: S301 - the server wrote it
            _send(connection, [_too_large(at, subject)])
            schema = _compiled(document)
            if (child := os.fork()) == 0:  # pragma: no cover - the process is not measured
                _validate(connection, schema, value, at, subject)
            os.waitpid(child, 0)
            connection.send_bytes(b"")


def _validate(
    connection: "Connection[bytes, bytes]", schema: Schema, value: Json, at: Path, subject: str
) -> None:  # pragma: no cover - the process is not measured
    try:
        # Without a handler, the signal ends the child, even inside the library.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, _MAX_SECONDS)
        is_valid = schema.validator.is_valid(value)
        # The limit must not end the child while it writes.
        left, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        _send(connection, [] if is_valid else [_invalid(at, subject)])
        if not is_valid:
            signal.setitimer(signal.ITIMER_PROF, left)
            found = schema.listed(value, at, subject)
            signal.setitimer(signal.ITIMER_PROF, 0)
            _send(connection, found)
    finally:
        os._exit(0)


def _send(connection: "Connection[bytes, bytes]", issues: Iterable[Issue]) -> None:
    connection.send_bytes(to_json([[each.path, each.code, each.message] for each in issues]))


def _too_large(at: Path, subject: str) -> Issue:
    message = f"{subject} and the schema are too large to check. Make one of them smaller."
    return Issue(write_path(at), "too_large", message)


def _invalid(at: Path, subject: str) -> Issue:
    name = write_path(at)
    message = f"{f'`{name}`' if name else subject} does not match the schema. It is too large to say where."
    return Issue(name, "invalid", message)


@lru_cache(_KEPT)
def _compiled(document: bytes) -> Schema:
    # Its definition was accepted, with all its patterns.
    return compile_schema(from_json(document), max_patterns=sys.maxsize)


if __name__ == "__main__":  # pragma: no cover
    main()
