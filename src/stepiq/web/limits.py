"""Rate limits per key."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta

from stepiq.core import clock
from stepiq.web.counts import Counts, MemoryCounts


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a check, and the rest of the period."""

    is_allowed: bool
    limit: int
    remaining: int
    """Hits that are left in this period."""
    reset: timedelta
    """Time until the period ends and the limit is fully available again."""


class Limiter:
    """Allows at most `limit` hits per period for each key. The period of a key starts with its first hit."""

    def __init__(self, limit: int, period: timedelta, counts: Counts | None = None) -> None:
        """Limit hits of `counts`, by default in the memory of this process."""
        self.limit = limit
        self.period = period
        self._counts = counts or MemoryCounts()

    async def hit(self, key: Hashable, limit: int | None = None) -> Decision:
        """Check the limit, and count one hit if it is allowed.

        Args:
            key: the key to count for.
            limit: the limit of this key; the limiter's by default.
        """
        limit = self.limit if limit is None else limit
        count = await self._counts.add(key, limit, self.period)
        return Decision(
            is_allowed=count.is_allowed,
            limit=limit,
            remaining=max(0, limit - count.number),
            reset=count.started_at + self.period - clock.now(),
        )

    async def give_back(self, key: Hashable) -> None:
        """Count one hit less."""
        await self._counts.give_back(key)

    async def clear(self, key: Hashable) -> None:
        """Forget all hits of the key."""
        await self._counts.clear(key)
