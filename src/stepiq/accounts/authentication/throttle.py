"""Limits failed attempts, so that passwords cannot be guessed by trying many."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from stepiq.accounts.credentials.origin import network_of
from stepiq.accounts.errors import Busy, TooManyAttempts
from stepiq.core.concurrency.fairness import FairSemaphore, TooManyWaiting
from stepiq.store.database import StoreUnavailable
from stepiq.web.counts import Counts, MemoryCounts
from stepiq.web.limits import Limiter

_WAITING = 128
_WAITING_OF_NETWORK = 4


class LoginAttempt:
    """One attempt in progress. It counts as failed until it ends without `count`."""

    def __init__(self, limiter: Limiter, key: tuple[str, ...]) -> None:
        """Wrap an attempt that `limiter` has counted."""
        self._limiter = limiter
        self._key = key
        self._has_failed = False

    def count(self) -> None:
        """Count the attempt as failed."""
        self._has_failed = True

    async def clear(self) -> None:
        """Reset the count after a successful attempt."""
        self._has_failed = True
        await self._limiter.clear(self._key)

    async def end(self) -> None:
        """Count the attempt no longer, unless it has failed."""
        if not self._has_failed:
            # Otherwise, it counts until the end of the period.
            with suppress(StoreUnavailable):
                await self._limiter.give_back(self._key)


class Throttle:
    """Limits the failed attempts of each key within a period, which starts with the first one.

    Attempts in progress count as failed, so that a burst cannot exceed the limit.
    """

    def __init__(
        self,
        limit: int,
        period: timedelta,
        counts: Counts | None = None,
        reason: str = "Too many attempts from your address.",
    ) -> None:
        """Limit attempts with `counts`. The error of a refused attempt begins with `reason`."""
        self._limiter = Limiter(limit, period, counts)
        self._reason = reason

    @asynccontextmanager
    async def attempt(self, *key: str) -> AsyncGenerator[LoginAttempt]:
        """Allow one attempt.

        Raises:
            TooManyAttempts: the limit is reached.
        """
        decision = await self._limiter.hit(key)
        if not decision.is_allowed:
            raise TooManyAttempts(decision.reset, self._reason)
        attempt = LoginAttempt(self._limiter, key)
        try:
            yield attempt
        finally:
            await attempt.end()

    async def clear(self, *key: str) -> None:
        """Reset the count of a key."""
        await self._limiter.clear(key)


class Sprays:
    """Limits failed logins over all accounts: by client, by network, and for the whole server.

    Clients that have authenticated to the account before are exempt. If the limit of the server is reached, other
    logins wait instead of being refused: one starts per interval, and networks take turns. An attacker with many
    addresses can then try only few passwords, and unknown clients can still log in.
    """

    def __init__(
        self,
        counts: Callable[[str], Counts] = lambda _: MemoryCounts(),
        *,
        of_client: int = 50,
        of_network: int = 200,
        of_all: int = 1_000,
        period: timedelta = timedelta(minutes=15),
        interval_seconds: float = 0.5,
    ) -> None:
        """Create limits. `counts` returns the counts of a limit by its name."""
        minutes = int(period.total_seconds() / 60)
        within = f"logins have failed within {minutes} minutes."
        self._of_client = Throttle(
            of_client,
            period,
            counts("logins of a client"),
            f"From your address, {of_client:,} {within}",
        )
        self._of_network = Throttle(
            of_network,
            period,
            counts("logins of a network"),
            f"From the network of your address, {of_network:,} {within}",
        )
        self._of_all = Limiter(of_all, period, counts("logins"))
        self._starts = Limiter(1, timedelta(seconds=interval_seconds), counts("starts of logins"))
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
        async with (
            self._of_client.attempt(client) as of_client,
            self._of_network.attempt(network) as of_network,
        ):
            if not (await self._of_all.hit(())).is_allowed:
                await self._wait_for_turn(network)
                yield [of_client, of_network]
                return
            of_all = LoginAttempt(self._of_all, ())
            try:
                yield [of_client, of_network, of_all]
            finally:
                await of_all.end()

    async def _wait_for_turn(self, network: str) -> None:
        try:
            async with self._turns.place(network):
                start = await self._starts.hit(())
                while not start.is_allowed:
                    await asyncio.sleep(start.reset.total_seconds())
                    start = await self._starts.hit(())
        except TooManyWaiting:
            raise Busy from None
