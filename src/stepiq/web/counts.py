"""Counts of hits within a period: in the memory of the only process, or in the database for all processes."""

import asyncio
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from stepiq.core import clock
from stepiq.core.recent import Recent
from stepiq.store.database import Database
from stepiq.store.statements import counting

MAX_KEYS = 10_000
"""Maximum number of keys that a process remembers. The least recently used key is dropped."""

LONGEST_PERIOD = timedelta(hours=1)

_PARTS = 20
_REFUSED_FOR = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Count:
    """The result of one hit."""

    is_allowed: bool
    number: int
    """Hits of the period, including this one if it is allowed."""
    started_at: datetime
    """When the period started: with its first hit."""


class Counts(Protocol):
    """Counts the hits of keys."""

    async def add(self, key: Hashable, limit: int, period: timedelta) -> Count:
        """Count one hit if the period of the key has fewer than `limit`."""
        ...

    async def give_back(self, key: Hashable) -> None:
        """Count one hit less."""
        ...

    async def clear(self, key: Hashable) -> None:
        """Forget all hits of the key."""
        ...


def counts_of(database: Database, name: str) -> Counts:
    """Counts for one limit: in memory on SQLite, which has one process, and in the database on PostgreSQL."""
    return MemoryCounts() if database.is_sqlite else SharedCounts(database, name)


@dataclass(slots=True)
class _Period:
    started_at: datetime
    number: int = 0

    def is_current(self, now: datetime, period: timedelta) -> bool:
        # After the clock was set back, a period that starts in the future would last longer by that time.
        return self.number > 0 and timedelta(0) <= now - self.started_at < period


class MemoryCounts:
    """Counts in this process. A dropped key starts a new period with its next hit."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._periods: Recent[Hashable, _Period] = Recent(max_keys)

    async def add(self, key: Hashable, limit: int, period: timedelta) -> Count:
        """Count one hit if the period of the key has fewer than `limit`."""
        now, current = clock.now(), self._periods.get(key)
        if current is None or not current.is_current(now, period):
            current = _Period(now)
        if current.number >= limit:
            return Count(False, current.number, current.started_at)
        current.number += 1
        self._periods[key] = current
        return Count(True, current.number, current.started_at)

    async def give_back(self, key: Hashable) -> None:
        """Count one hit less."""
        current = self._periods.get(key)
        if current is not None:
            current.number -= 1
            if current.number <= 0:
                del self._periods[key]

    async def clear(self, key: Hashable) -> None:
        """Forget all hits of the key."""
        self._periods.pop(key, None)


@dataclass(slots=True)
class _KnownKey:
    """What this process knows of a key: the hits that it took and has not used, or that it was refused."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    period: _Period = field(default_factory=lambda: _Period(clock.now()))
    left: int = 0
    refused_at: datetime | None = None

    def count(self, *, is_allowed: bool) -> Count:
        return Count(is_allowed, self.period.number - self.left, self.period.started_at)


class SharedCounts:
    """Counts of all processes, in PostgreSQL.

    A process takes a twentieth of the limit at a time, so that few hits need a statement. What it does not use by the end
    of the period is lost, so a limit of more than 20 can refuse a twentieth too early for each other process. It
    never allows more. A refused key needs at most one statement per second.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._parts: Recent[Hashable, _KnownKey] = Recent(MAX_KEYS)

    async def add(self, key: Hashable, limit: int, period: timedelta) -> Count:
        """Count one hit if the period of the key has fewer than `limit`.

        Raises:
            StoreUnavailable: the database does not respond.
        """
        part = self._parts[key] = self._parts.get(key) or _KnownKey()
        async with part.lock:
            now = clock.now()
            if not part.period.is_current(now, period):
                part.left = 0
            if part.left and part.period.number - part.left < limit:
                part.left -= 1
                return part.count(is_allowed=True)
            if _is_recent(part.refused_at, now):
                return part.count(is_allowed=False)
            taken = max(1, limit // _PARTS)
            async with self._database.transaction(urgent=True) as session:
                is_allowed, started_at, number = await counting.take(
                    session, self._digest(key), now, period, taken=taken, limit=limit
                )
            # The last part of a limit can be smaller than the number that was counted.
            part.period = _Period(started_at, min(number, limit))
            part.left = taken - 1 - max(0, number - limit) if is_allowed else 0
            part.refused_at = None if is_allowed else now
            return part.count(is_allowed=is_allowed)

    async def give_back(self, key: Hashable) -> None:
        """Count one hit less.

        Raises:
            StoreUnavailable: the database does not respond.
        """
        if (part := self._parts.get(key)) is not None:
            part.refused_at = None
        async with self._database.transaction(urgent=True) as session:
            await counting.give_back(session, self._digest(key))

    async def clear(self, key: Hashable) -> None:
        """Forget all hits of the key.

        Raises:
            StoreUnavailable: the database does not respond.
        """
        self._parts.pop(key, None)
        async with self._database.transaction(urgent=True) as session:
            await counting.clear(session, self._digest(key))

    def _digest(self, key: Hashable) -> bytes:
        # Keys contain email addresses and addresses of clients, which the table must not collect.
        return hashlib.blake2b(repr((self._name, key)).encode(), digest_size=16).digest()


def _is_recent(refused_at: datetime | None, now: datetime) -> bool:
    return refused_at is not None and timedelta(0) <= now - refused_at < _REFUSED_FOR
