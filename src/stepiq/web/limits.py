"""How often something may happen in a period, for each of many keys, in this process."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_KEYS = 10_000
"""Keys a limiter remembers. Whoever has been quiet the longest is forgotten first, and begins anew."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something may happen, and what is left of the period."""

    is_allowed: bool
    limit: int
    remaining: int
    """How often it may still happen in this period."""
    reset: timedelta
    """Until the period ends and the whole limit is there again."""


@dataclass(slots=True)
class _Period:
    started_at: datetime
    count: int = 0


class Limiter:
    """At most so often in a period for each key, which begins when the key is first counted.

    A key costs a number and an instant, however often it is used. There is no timer and no task.
    """

    def __init__(self, limit: int, period: timedelta, max_keys: int = MAX_KEYS) -> None:
        self.limit = limit
        self.period = period
        self._max_keys = max_keys
        self._periods: OrderedDict[Hashable, _Period] = OrderedDict()

    def hit(self, key: Hashable, now: datetime, limit: int | None = None) -> Decision:
        """Decide and count once; what is refused does not count.

        Args:
            key: whose.
            now: by `core.clock`.
            limit: of this key, where keys differ; default: the limiter's.
        """
        period, limit = self._at(key, now), self.limit if limit is None else limit
        is_allowed = period.count < limit
        if is_allowed:
            period.count += 1
            self._keep(key, period)
        return Decision(
            is_allowed=is_allowed,
            limit=limit,
            remaining=max(0, limit - period.count),
            reset=period.started_at + self.period - now,
        )

    def _at(self, key: Hashable, now: datetime) -> _Period:
        period = self._periods.get(key)
        if period is not None and timedelta(0) <= now - period.started_at < self.period:
            return period
        # Also when the clock was set back: a period that lies ahead would refuse for as long as it was moved.
        return _Period(now)

    def _keep(self, key: Hashable, period: _Period) -> None:
        self._periods[key] = period
        self._periods.move_to_end(key)
        if len(self._periods) > self._max_keys:
            self._periods.popitem(last=False)
