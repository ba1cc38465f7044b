"""Rate limits per key, in this process."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stepiq.core.recent import Recent

MAX_KEYS = 10_000
"""Maximum number of keys in a limiter. The least recently used key is dropped; its next hit starts a new period."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a check, and the rest of the period."""

    is_allowed: bool
    limit: int
    remaining: int
    """Hits that are left in this period."""
    reset: timedelta
    """Time until the period ends and the limit is fully available again."""


@dataclass(slots=True)
class _Period:
    started_at: datetime
    count: int = 0


class Limiter:
    """Allows at most `limit` hits per period for each key. The period of a key starts with its first hit.

    A key needs constant memory: a count and an instant. No timer or task is used.
    """

    def __init__(self, limit: int, period: timedelta, max_keys: int = MAX_KEYS) -> None:
        self.limit = limit
        self.period = period
        self._periods: Recent[Hashable, _Period] = Recent(max_keys)

    def hit(self, key: Hashable, now: datetime, limit: int | None = None) -> Decision:
        """Check the limit, and count one hit if it is allowed.

        Args:
            key: the key to count for.
            now: the time of `core.clock`.
            limit: the limit of this key; the limiter's by default.
        """
        decision = self.look(key, now, limit)
        if not decision.is_allowed:
            return decision
        period = self._at(key, now)
        period.count += 1
        self._keep(key, period)
        return replace(decision, remaining=decision.remaining - 1)

    def look(self, key: Hashable, now: datetime, limit: int | None = None) -> Decision:
        """Check the limit as `hit` does, without counting a hit."""
        period, limit = self._at(key, now), self.limit if limit is None else limit
        return Decision(
            is_allowed=period.count < limit,
            limit=limit,
            remaining=max(0, limit - period.count),
            reset=period.started_at + self.period - now,
        )

    def _at(self, key: Hashable, now: datetime) -> _Period:
        period = self._periods.get(key)
        if period is not None and timedelta(0) <= now - period.started_at < self.period:
            return period
        # Also if the clock was set back: a period that starts in the future would otherwise last longer by that time.
        return _Period(now)

    def _keep(self, key: Hashable, period: _Period) -> None:
        self._periods[key] = period
