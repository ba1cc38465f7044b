"""Limits how often a process reads from its streams, so that thousands of them do not keep the event loop busy.

Each read costs about as much for one word as for a page. A stream that is read less often is read in larger parts.
"""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from stepiq.core.fairness import Owner


class ReadingPace:
    """The streams of a process. Owners with a stream have equal shares of its reads, and their streams share these."""

    def __init__(
        self, reads_per_second: float, *, shortest_seconds: float, longest_seconds: float
    ) -> None:
        """Create a pace without streams.

        Args:
            reads_per_second: The reads of all streams together.
            shortest_seconds: A shorter pause is none, so that few streams are read at once.
            longest_seconds: Nobody waits longer, so more streams than this times the reads are read more often.
        """
        self._rate = reads_per_second
        self._shortest = shortest_seconds
        self._longest = longest_seconds
        self._streams: Counter[Owner] = Counter()

    @contextmanager
    def stream(self, owner: Owner) -> Generator[None]:
        """Count a stream of an owner while it is open."""
        self._streams[owner] += 1
        try:
            yield
        finally:
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

    def pause_seconds(self, owner: Owner) -> float:
        """The time from one read of a stream to the next one, which may be 0."""
        seconds = self._streams[owner] * len(self._streams) / self._rate
        return 0.0 if seconds < self._shortest else min(seconds, self._longest)
