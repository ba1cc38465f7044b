"""Limits failed attempts, so that passwords cannot be guessed by trying many.

Counts are kept in memory. Each process has its own, and a restart resets them.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

from stepiq.accounts.credentials.origin import network_of
from stepiq.accounts.errors import Busy, TooManyAttempts
from stepiq.core import clock
from stepiq.core.concurrency.fairness import FairSemaphore, TooManyWaiting

_REMEMBERED = 50_000
_MOMENT = timedelta(seconds=1)
_WAITING = 128
_WAITING_OF_NETWORK = 4


class _Counted:
    """The counted attempts of one key."""

    def __init__(self) -> None:
        self.times: deque[datetime] = deque()
        self.in_flight = 0


class LoginAttempt:
    """One attempt in progress. It is not counted unless `count` is called."""

    def __init__(self, counted: _Counted) -> None:
        """Wrap an entry whose `in_flight` includes this attempt, so that the entry is not dropped."""
        self._counted = counted

    def count(self) -> None:
        """Count the attempt as failed."""
        self._counted.times.append(clock.now())

    def clear(self) -> None:
        """Reset the count after a successful attempt."""
        self._counted.times.clear()


class Throttle:
    """Limits the counted attempts of each key within a period.

    Only keys with a counted attempt, or one in progress, use memory, so refused attempts cannot displace other keys.
    """

    def __init__(
        self, limit: int, period: timedelta, reason: str = "Too many attempts from your address."
    ) -> None:
        """Create an empty throttle. The error of a refused attempt begins with `reason`."""
        self._limit = limit
        self._period = period
        self._reason = reason
        self._known: OrderedDict[tuple[str, ...], _Counted] = OrderedDict()

    @contextmanager
    def attempt(self, key: tuple[str, ...]) -> Generator[LoginAttempt]:
        """Allow one attempt.

        Attempts in progress count as failed, so that a burst cannot exceed the limit.

        Raises:
            TooManyAttempts: the limit is reached.
        """
        wait = self._wait(key)
        if wait is not None:
            # Attempts in progress have not failed yet.
            raise TooManyAttempts(wait) if wait == _MOMENT else TooManyAttempts(wait, self._reason)
        with self.count_in(key) as attempt:
            yield attempt

    def is_reached(self, key: tuple[str, ...]) -> bool:
        """Whether an attempt would be refused."""
        return self._wait(key) is not None

    @contextmanager
    def count_in(self, key: tuple[str, ...]) -> Generator[LoginAttempt]:
        """Allow one attempt, even if the limit is reached."""
        counted = self._known.setdefault(key, _Counted())
        self._known.move_to_end(key)
        counted.in_flight += 1
        self._forget_oldest()
        try:
            yield LoginAttempt(counted)
        finally:
            counted.in_flight -= 1
            self._forget_empty(key)

    def clear(self, key: tuple[str, ...]) -> None:
        """Reset the count of a key, except attempts in progress."""
        if (counted := self._known.get(key)) is not None:
            counted.times.clear()
            self._forget_empty(key)

    def _forget_empty(self, key: tuple[str, ...]) -> None:
        counted = self._known[key]
        if not counted.times and not counted.in_flight:
            del self._known[key]

    def _forget_oldest(self) -> None:
        """Drop keys whose attempts no longer count, and the oldest ones if there are too many."""
        begin = clock.now() - self._period
        # Checks two for each new key, so that more can be dropped than are added.
        for _ in range(2):
            key, oldest = next(iter(self._known.items()))
            if oldest.in_flight:
                self._known.move_to_end(key)
            elif len(self._known) > _REMEMBERED or not oldest.times or oldest.times[-1] <= begin:
                del self._known[key]

    def _wait(self, key: tuple[str, ...]) -> timedelta | None:
        counted = self._known.get(key)
        if counted is None:
            return None
        now = clock.now()
        while counted.times and counted.times[0] <= now - self._period:
            counted.times.popleft()
        if len(counted.times) >= self._limit:
            return counted.times[0] + self._period - now
        if len(counted.times) + counted.in_flight >= self._limit:
            return _MOMENT
        return None


class Sprays:
    """Limits failed logins over all accounts: by client, by network, and for the whole process.

    Clients that have authenticated to the account before are exempt. If the limit of the process is reached, other
    logins wait instead of being refused: one starts per interval, and networks take turns. An attacker with many
    addresses can then try only few passwords, and unknown clients can still log in.
    """

    def __init__(
        self,
        of_client: int = 50,
        of_network: int = 200,
        of_all: int = 1_000,
        *,
        period: timedelta = timedelta(minutes=15),
        interval_seconds: float = 0.5,
    ) -> None:
        """Create limits with empty counts."""
        minutes = int(period.total_seconds() / 60)
        within = f"logins have failed within {minutes} minutes."
        self._of_client = Throttle(of_client, period, f"From your address, {of_client:,} {within}")
        self._of_network = Throttle(
            of_network, period, f"From the network of your address, {of_network:,} {within}"
        )
        self._of_all = Throttle(of_all, period)
        self._interval_seconds = interval_seconds
        self._turns = FairSemaphore(
            1, max_waiting=_WAITING, max_waiting_of_owner=_WAITING_OF_NETWORK
        )

    @asynccontextmanager
    async def attempt(self, client: str, *, is_known: bool) -> AsyncGenerator[list[LoginAttempt]]:
        """Allow one login, after a wait if necessary. If it fails, the caller must count the returned attempts.

        Raises:
            TooManyAttempts: the limit of the client or of its network is reached.
            Busy: too many logins are waiting.
        """
        if is_known:
            yield []
            return
        network = network_of(client)
        with (
            self._of_client.attempt((client,)) as of_client,
            self._of_network.attempt((network,)) as of_network,
        ):
            if self._of_all.is_reached(()):
                await self._wait_for_turn(network)
            with self._of_all.count_in(()) as of_all:
                yield [of_client, of_network, of_all]

    async def _wait_for_turn(self, network: str) -> None:
        try:
            async with self._turns.place(network):
                await asyncio.sleep(self._interval_seconds)
        except TooManyWaiting:
            raise Busy from None
