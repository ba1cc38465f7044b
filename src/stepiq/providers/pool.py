"""Connections that belong to somebody's own key: one set for each key, so that no key ever leaves on another's."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stepiq.providers.connection import Connection

KEPT = 64
"""Most keys of one provider whose connections stay open while nobody uses them."""


@dataclass(slots=True)
class _Held:
    connection: Connection
    users: int = 0


class ConnectionPool:
    """The connections of the keys used last."""

    def __init__(self, make: Callable[[str], Connection], kept: int = KEPT) -> None:
        self._make = make
        self._kept = kept
        self._held: OrderedDict[str, _Held] = OrderedDict()

    @asynccontextmanager
    async def lease(self, key: str) -> AsyncGenerator[Connection]:
        """The connection of a key; it stays open at least as long as it is used."""
        held = self._held.setdefault(key, _Held(self._make(key)))
        self._held.move_to_end(key)
        held.users += 1
        try:
            yield held.connection
        finally:
            held.users -= 1
            await self._trim()

    async def _trim(self) -> None:
        idle = [key for key, held in self._held.items() if not held.users]
        for key in idle[: max(0, len(self._held) - self._kept)]:
            await self._held.pop(key).connection.close()

    async def close(self) -> None:
        """Close all of them."""
        while self._held:
            await self._held.popitem()[1].connection.close()
