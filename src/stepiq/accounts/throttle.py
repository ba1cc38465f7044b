"""Counting failed attempts, so that passwords cannot be guessed one after the other.

Counts live in the memory of one process: a restart forgets them, and each process has its own.
"""

from collections import OrderedDict, deque
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta

from stepiq.accounts.errors import TooManyAttempts
from stepiq.core import clock

_REMEMBERED = 50_000
_MOMENT = timedelta(seconds=1)


class _Counted:
    """What is known of one key."""

    def __init__(self) -> None:
        self.times: deque[datetime] = deque()
        self.in_flight = 0


class Attempt:
    """One attempt under way: nothing is counted unless it says so."""

    def __init__(self, counted: _Counted) -> None:
        self._counted = counted

    def count(self) -> None:
        """It failed, and counts."""
        self._counted.times.append(clock.now())

    def clear(self) -> None:
        """It succeeded: those before it count no more."""
        self._counted.times.clear()


class Throttle:
    """So many counted attempts in a period for each key, and no more."""

    def __init__(
        self, limit: int, period: timedelta, reason: str = "Too many attempts from your address."
    ) -> None:
        """Create a throttle that has counted nothing. The error of a refused attempt begins with `reason`."""
        self._limit = limit
        self._period = period
        self._reason = reason
        self._known: OrderedDict[tuple[str, ...], _Counted] = OrderedDict()

    @contextmanager
    def attempt(self, key: tuple[str, ...]) -> Generator[Attempt]:
        """Let one attempt through.

        Those under way count as if they failed, so that no burst gets more than the limit.

        Raises:
            TooManyAttempts: the limit is reached.
        """
        counted = self._counted(key)
        wait = self._wait(counted)
        if wait is not None:
            raise TooManyAttempts(wait, self._reason)
        counted.in_flight += 1
        try:
            yield Attempt(counted)
        finally:
            counted.in_flight -= 1

    def clear(self, key: tuple[str, ...]) -> None:
        """Forget what was counted."""
        self._known.pop(key, None)

    def _counted(self, key: tuple[str, ...]) -> _Counted:
        counted = self._known.setdefault(key, _Counted())
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return counted

    def _wait(self, counted: _Counted) -> timedelta | None:
        now = clock.now()
        while counted.times and counted.times[0] <= now - self._period:
            counted.times.popleft()
        if len(counted.times) >= self._limit:
            return counted.times[0] + self._period - now
        if len(counted.times) + counted.in_flight >= self._limit:
            return _MOMENT
        return None


class Sprays:
    """Limits failed log-ins over all accounts: from one address, and to the whole server.

    Clients that have logged in to the account before are not limited, so strangers cannot lock them out.
    """

    def __init__(self, of_client: int, of_all: int, period: timedelta) -> None:
        minutes = int(period.total_seconds() / 60)
        within = f"log-ins have failed within {minutes} minutes"
        self._of_client = Throttle(of_client, period, f"From your address, {of_client:,} {within}.")
        self._of_all = Throttle(
            of_all,
            period,
            f"On this server, {of_all:,} {within}, so it accepts only clients that have logged in to the account before.",
        )

    @contextmanager
    def attempt(self, client: str, *, is_known: bool) -> Generator[list[Attempt]]:
        """Let one log-in through. The attempts must be counted if it fails.

        Raises:
            TooManyAttempts: a limit is reached.
        """
        if is_known:
            yield []
            return
        with self._of_client.attempt((client,)) as mine, self._of_all.attempt(()) as every:
            yield [mine, every]
