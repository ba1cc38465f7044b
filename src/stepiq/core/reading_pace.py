"""Limits how often a process reads from its streams, so that thousands of them do not keep the event loop busy.

Each read costs about as much for one word as for a page. A stream that is read less often is read in larger parts.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from stepiq.core.concurrency.fairness import Owner


class ReadingPace:
    """The reads of all streams of a process. Owners that read have equal shares, and their streams share these."""

    def __init__(
        self,
        reads_per_second: float,
        *,
        saved_seconds: float,
        longest_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a pace without reads.

        Args:
            reads_per_second: The reads of all streams together, if nobody waits for `longest_seconds`.
            saved_seconds: After a rest, an owner can use its share of this time at once.
            longest_seconds: Nobody waits longer.
            now: A monotonic clock in seconds.
        """
        self._rate = reads_per_second
        self._saved = saved_seconds
        self._longest = longest_seconds
        self._now = now
        self._free_at: OrderedDict[Owner, float] = OrderedDict()
        """When each owner will have used its share for its reads so far. The one that has read last is last."""

    def read(self, owner: Owner) -> float:
        """Count a read of a stream of an owner. Returns how many seconds to wait before the next read of this stream."""
        now = self._now()
        # Owners that have saved all they can no longer have a share.
        while self._free_at and next(iter(self._free_at.values())) < now - self._saved:
            self._free_at.popitem(last=False)
        free_at = max(self._free_at.get(owner, 0.0), now - self._saved)
        owners = len(self._free_at) + (owner not in self._free_at)
        self._free_at[owner] = min(free_at + owners / self._rate, now + self._longest)
        self._free_at.move_to_end(owner)
        return max(0.0, self._free_at[owner] - now)
