"""Frames between the server and a child: one byte for the kind, four for the length (big-endian), then the payload.

The child's side uses plain blocking sockets, because a child has no event loop.
"""

import asyncio
import socket
import struct

JOB = b"J"
"""Server to child: what to run, as JSON, without the input."""
INPUT = b"I"
"""Server to child: the input, as JSON."""
STARTED = b"S"
"""Child to server: the code starts now, and so does its time limit."""
LINES = b"L"
"""Child to server: printed lines."""
RESULT = b"R"
"""Child to server: the return value of `main`, as JSON; the last frame."""
ERROR = b"E"
"""Child to server: the code raised, is invalid, or its result is not JSON; the last frame."""
LIMIT = b"X"
"""Child to server: the code exceeded a limit; the last frame."""

_HEAD = struct.Struct(">cI")


class BrokenFrame(Exception):
    """The received data is not a valid frame, or the frame is too long."""


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """Encode one frame."""
    return _HEAD.pack(kind, len(payload)) + payload


async def read(reader: asyncio.StreamReader, longest: int) -> tuple[bytes, bytes]:
    """Wait for the next frame.

    Raises:
        asyncio.IncompleteReadError: the other side has closed the connection.
        BrokenFrame: the payload is longer than `longest` bytes.
    """
    kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if length > longest:
        raise BrokenFrame
    return kind, await reader.readexactly(length)


def read_blocking(connection: socket.socket) -> tuple[bytes, bytes]:
    """Wait for the next frame, in the child.

    Raises:
        BrokenFrame: the other side has closed the connection.
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
