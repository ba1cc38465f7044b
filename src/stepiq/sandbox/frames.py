"""What the server and a child of it say to each other: a byte for the kind, four for the length, then the payload.

The child's side is written with plain blocking sockets: nothing of it may need an event loop.
"""

import asyncio
import socket
import struct

JOB = b"J"
"""Server to child: what to run, as JSON, without the input."""
INPUT = b"I"
"""Server to child: the input, as JSON."""
STARTED = b"S"
"""Child to server: the code runs from now on; the time limit counts."""
LINES = b"L"
"""Child to server: printed lines."""
RESULT = b"R"
"""Child to server: what `main` returned, as JSON; the last frame."""
ERROR = b"E"
"""Child to server: the code raised, or is not code; the last frame."""
LIMIT = b"X"
"""Child to server: the code took too much; the last frame."""

_HEAD = struct.Struct(">cI")


class BrokenFrame(Exception):
    """What came is no frame, or one that is too long."""


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """Make one frame."""
    return _HEAD.pack(kind, len(payload)) + payload


async def read(reader: asyncio.StreamReader, longest: int) -> tuple[bytes, bytes]:
    """Wait for the next frame.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
        BrokenFrame: the payload is longer than allowed.
    """
    kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if length > longest:
        raise BrokenFrame
    return kind, await reader.readexactly(length)


def read_blocking(connection: socket.socket) -> tuple[bytes, bytes]:
    """Wait for the next frame, in the child.

    Raises:
        BrokenFrame: the other side is gone.
    """
    kind, length = _HEAD.unpack(_receive(connection, _HEAD.size))
    return kind, _receive(connection, length)


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(min(length - len(received), 1 << 20))
        if not part:
            raise BrokenFrame
        received += part
    return bytes(received)
