"""Keeps a document of a provider for a while, and limits how often it is fetched."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from stepiq.accounts.oidc.errors import SignInFailed
from stepiq.core import clock

LIFETIME = timedelta(hours=1)
"""How long a document is used without fetching it again."""
PAUSE = timedelta(seconds=10)
"""Shortest time between two attempts after a failure, and between two refreshes before the document expires."""

Value = TypeVar("Value")


class Cached(Generic[Value]):
    """One document. Concurrent callers wait for the same request."""

    def __init__(self, fetch: Callable[[], Awaitable[Value]]) -> None:
        """Cache what `fetch` returns. It raises SignInFailed if there is no document."""
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._value: Value | None = None
        self._failure: SignInFailed | None = None
        self._fetched = self._refreshed = self._failed = -math.inf

    async def get(self) -> Value:
        """The document, at most `LIFETIME` old.

        Raises:
            SignInFailed: it cannot be fetched, or this failed within the last `PAUSE`.
        """
        async with self._lock:
            if self._value is not None and _is_within(self._fetched, LIFETIME):
                return self._value
            if self._failure is not None and _is_within(self._failed, PAUSE):
                raise SignInFailed(self._failure.failure, self._failure.reason)
            return await self._load()

    async def refresh(self) -> Value:
        """The document, fetched again unless the last refresh was within the last `PAUSE`.

        Raises:
            SignInFailed: it cannot be fetched.
        """
        async with self._lock:
            if self._value is not None and _is_within(self._refreshed, PAUSE):
                return self._value
            self._refreshed = clock.monotonic()
            return await self._load()

    async def _load(self) -> Value:
        try:
            value = await self._fetch()
        except SignInFailed as failure:
            self._failure, self._failed = failure, clock.monotonic()
            raise
        self._value, self._failure, self._fetched = value, None, clock.monotonic()
        return value


def _is_within(instant: float, period: timedelta) -> bool:
    return clock.monotonic() - instant < period.total_seconds()
