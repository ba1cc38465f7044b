"""Password hashes: Argon2id with OWASP's parameters (19 MiB, two passes, one lane).

A separate thread pool does the work, so that a burst of logins neither blocks the event loop nor exhausts memory.
Clients take turns. If too many calls are waiting, in total, of a client or of its site, further ones are refused. One
thread is reserved for known clients, so that attackers cannot lock them out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from stepiq.accounts.credentials.origin import site_of
from stepiq.accounts.errors import Busy
from stepiq.core.concurrency.fairness import FairSemaphore, TooManyWaiting
from stepiq.core.concurrency.tasks import processor_count

if TYPE_CHECKING:
    from pwdlib import PasswordHash

_PLACES = 2
_PLACES_OF_KNOWN = 1
_WAITING = 256
_WAITING_OF_CLIENT = 64
_WAITING_OF_SITE = 128
"""With those being checked. Fewer than `_WAITING`, so that one site cannot fill the queue."""

NO_PASSWORD = ""
"""The hash of an account without a password. No password matches it."""

_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$5X/PPfnJp6QSaGx62YI6Aw$UDIznYWQeNH0FpBT9k2bp8o2nuFaUS8/p7Pl7NkrBlI"
)
"""The hash of 256 discarded random bits. Comparing with it takes as long as with a real hash."""

Result = TypeVar("Result")


class Passwords:
    """Hashes and compares passwords without blocking the event loop."""

    def __init__(self) -> None:
        # At most half of the processors, so that requests and runs get the rest while strangers guess passwords.
        places = min(_PLACES, max(1, processor_count() // 2))
        self._threads = ThreadPoolExecutor(
            places + _PLACES_OF_KNOWN, thread_name_prefix="passwords"
        )
        self._everyone = _places(places)
        self._known = _places(_PLACES_OF_KNOWN)
        self._of_site: Counter[tuple[str, bool]] = Counter()
        """Calls that wait or work, by site and whether the caller is known."""

    async def hash(self, password: str, *, client: str = "", is_known: bool = False) -> str:
        """A salted hash to store.

        Clients take turns. `is_known`: whether the caller has authenticated, with a session or a token.

        Raises:
            Busy: Too many calls are waiting.
        """
        return await self._run(client, lambda: _hashes().hash(password), is_known=is_known)

    async def verify(
        self, password: str, stored: str | None, *, client: str = "", is_known: bool = False
    ) -> bool:
        """Whether the password matches a stored hash. For None and NO_PASSWORD, it returns False after the same time.

        Clients take turns. `is_known`: whether the caller has authenticated to the account, now with a session or earlier.

        Raises:
            Busy: Too many calls are waiting.
        """
        matches = await self._run(
            client, lambda: _hashes().verify(password, stored or _NOBODY), is_known=is_known
        )
        return matches and bool(stored)

    def close(self) -> None:
        """Stop the threads without waiting. Queued calls are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, client: str, work: Callable[[], Result], *, is_known: bool) -> Result:
        places = self._known if is_known else self._everyone
        try:
            with self._counted(site_of(client), is_known=is_known):
                async with places.place(client):
                    return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TooManyWaiting:
            raise Busy from None

    @contextmanager
    def _counted(self, site: str, *, is_known: bool) -> Generator[None]:
        key = (site, is_known)
        if not site:
            yield
            return
        if self._of_site[key] >= _WAITING_OF_SITE:
            raise TooManyWaiting
        self._of_site[key] += 1
        try:
            yield
        finally:
            self._of_site[key] -= 1
            if not self._of_site[key]:
                del self._of_site[key]


@cache
def _hashes() -> "PasswordHash":
    # In the thread of the first password, because many servers see only API keys.
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    return PasswordHash([Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1)])


def _places(count: int) -> FairSemaphore:
    return FairSemaphore(count, max_waiting=_WAITING, max_waiting_of_owner=_WAITING_OF_CLIENT)
