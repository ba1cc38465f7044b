"""Identifiers: UUIDs of version 7, so that newer rows sort after older ones and indexes grow at one end."""

import os
import time
from datetime import datetime
from uuid import UUID

_LAST_MILLISECOND = (1 << 48) - 1


def uuid7() -> UUID:
    """A new identifier (RFC 9562, sections 5.7 and 6.2, method 3): Unix time in steps of 0.24 µs, then 62 random bits.

    Identifiers created one after the other in one process sort in this order.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | random)


def first_at(moment: datetime) -> UUID:
    """The lower bound of identifiers created at `moment` or later."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), _LAST_MILLISECOND) << 80)


def parse(text: str) -> UUID | None:
    """The identifier in a text, or None if it is malformed. Callers treat it like an id that does not exist."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
