"""Orders from the server to the fork server."""

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

FORK = b"F"
"""Fork a child. Its connection is passed with the order."""
KILL = b"K"
"""Kill the child with this number, if it is still running."""

DEMOTE = b"D"
"""Lower the priority of the child with this number, if it is still running."""

_FORM = struct.Struct(">cQ")


@dataclass(frozen=True, slots=True)
class Order:
    """One order. All orders have the same size."""

    verb: bytes
    number: int
    """The server's number for the child. A process id could have been reused."""

    SIZE: ClassVar[int] = _FORM.size

    def pack(self) -> bytes:
        """Encode the order."""
        return _FORM.pack(self.verb, self.number)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Decode the output of `pack`."""
        return cls(*_FORM.unpack(data))
