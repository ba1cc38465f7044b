"""Connections with accounts' own keys: one set per key, so that a key is never sent over another key's connection."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stepiq.providers.connection import ProviderConnection

KEPT = 64
"""Number of keys per provider above which idle connections are closed."""


@dataclass(slots=True)
class _Held:
    connection: "ProviderConnection"
    users: int = 0


class ConnectionPool:
    """The connections of the most recently used keys."""

    def __init__(self, make: "Callable[[str], ProviderConnection]") -> None:
        self._make = make
        self._held: OrderedDict[str, _Held] = OrderedDict()

    @asynccontextmanager
    async def lease(self, key: str) -> "AsyncGenerator[ProviderConnection]":
        """The connection of a key, which stays open at least while it is used."""
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
        for key in idle[: max(0, len(self._held) - KEPT)]:
            await self._held.pop(key).connection.close()

    async def close(self) -> None:
        """Close all connections."""
        while self._held:
            await self._held.popitem()[1].connection.close()
