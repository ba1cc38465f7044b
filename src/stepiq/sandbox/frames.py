"""Messages of the server, the fork server and a child.

The server sends orders to the fork server. Between the server and a child are frames: one byte for the kind, four for
the length (big-endian), then the payload. The child's side uses plain blocking sockets, because it has no event loop.
"""

import asyncio
import json
import socket
import struct
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

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
NOT_CONFINED = b"W"
"""Child to server: the code did not start, because a wall is missing; the last frame. Says why, for the operator."""

FORK = b"F"
"""Order: fork a child. Its connection is passed with the order."""
KILL = b"K"
"""Order: kill the child with this number, if it is still running."""
DEMOTE = b"D"
"""Order: lower the priority of the child with this number, if it is still running."""

_HEAD = struct.Struct(">cI")
_ORDER = struct.Struct(">cQ")


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


@dataclass(frozen=True, slots=True)
class Order:
    """One order. All orders have the same size."""

    verb: bytes
    number: int
    """The server's number for the child. A process id could have been reused."""

    SIZE: ClassVar[int] = _ORDER.size

    def pack(self) -> bytes:
        """Encode the order."""
        return _ORDER.pack(self.verb, self.number)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Decode the output of `pack`."""
        return cls(*_ORDER.unpack(data))


@dataclass(frozen=True, slots=True)
class Job:
    """One call of `main`."""

    language: str
    source: str
    timeout_seconds: float
    now: float
    """Unix time in seconds. The code's clock is fixed at this time."""

    def pack(self) -> bytes:
        """Encode the job for the child."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Decode the output of `pack`."""
        return cls(**json.loads(data))
