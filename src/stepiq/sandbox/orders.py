"""What the server tells the process that forks."""

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

FORK = b"F"
"""Fork a child; its connection comes with the order."""
KILL = b"K"
"""Kill the child of this number, if it still is."""

DEMOTE = b"D"
"""Lower the priority of the child with this number, if it is still running."""

_FORM = struct.Struct(">cQ")


@dataclass(frozen=True, slots=True)
class Order:
    """One order; all are of one size."""

    verb: bytes
    number: int
    """The server's own for the child: a process id might meanwhile be another's."""

    SIZE: ClassVar[int] = _FORM.size

    def pack(self) -> bytes:
        """Write it."""
        return _FORM.pack(self.verb, self.number)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what `pack` wrote."""
        return cls(*_FORM.unpack(data))
