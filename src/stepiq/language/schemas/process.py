"""The process that validates large values: `python -m stepiq.language.schemas.process DESCRIPTOR`.

The library holds the GIL while it validates, so a thread would stop the server. The process answers one question after
the other on the connection with this descriptor, and ends when the other end is closed.
"""

import os
import signal
import sys
from contextlib import suppress
from functools import lru_cache
from multiprocessing.connection import Connection

from pydantic_core import from_json, to_json

from stepiq.language.schemas.validation import Schema, compile_schema

_LOWER_PRIORITY = 10
"""Nice value. The server has 0, so it takes precedence."""
_KEPT = 16
"""Schemas that stay compiled. A compiled schema can need megabytes."""


def main() -> None:  # pragma: no cover - the process is not measured
    """Answer questions until the server closes the connection or ends."""
    # The server decides what to do after Ctrl-C, which all processes of a terminal receive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_LOWER_PRIORITY)
    serve(Connection(int(sys.argv[1])))


def serve(connection: "Connection[bytes, bytes]") -> None:
    """Answer the questions of a `SchemaProcess`. Each is two messages: the schema, and what `Schema.issues` takes."""
    with suppress(EOFError, OSError):
        while True:
            # Both are received first, so that sending them never takes long.
            document, question = connection.recv_bytes(), connection.recv_bytes()
            value, at, subject = from_json(question)
            issues = _compiled(document).issues(value, tuple(at), subject)
            connection.send_bytes(
                to_json([[each.path, each.code, each.message] for each in issues])
            )


@lru_cache(_KEPT)
def _compiled(document: bytes) -> Schema:
    # Its definition was accepted, with all its patterns.
    return compile_schema(from_json(document), max_patterns=sys.maxsize)


if __name__ == "__main__":  # pragma: no cover
    main()
