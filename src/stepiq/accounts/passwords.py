"""Password hashes: Argon2id with OWASP's parameters (19 MiB, two passes, one lane).

Two threads of their own do the work, so that a burst of logins neither stalls the event loop nor fills the memory. Callers
take turns at them, and beyond a few seconds' worth of work they are sent away.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from stepiq.accounts.turns import Turns

_THREADS = 2
_WAITING = 256
_WAITING_EACH = 64
_hashes = PasswordHash([Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1)])

_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$5X/PPfnJp6QSaGx62YI6Aw$UDIznYWQeNH0FpBT9k2bp8o2nuFaUS8/p7Pl7NkrBlI"
)
"""The hash of 256 random bits that nobody kept: comparing with it takes as long as with a real one."""

Result = TypeVar("Result")


class Passwords:
    """Hashes and compares passwords without blocking the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._turns = Turns(_THREADS, waiting=_WAITING, waiting_each=_WAITING_EACH)

    async def hash(self, password: str, *, client: str = "") -> str:
        """A salted hash to store.

        Args:
            password: in clear.
            client: who asks; one client's requests hold up another's by one turn at most.

        Raises:
            Busy: too many wait.
        """
        return await self._run(client, lambda: _hashes.hash(password))

    async def verify(self, password: str, stored: str | None, *, client: str = "") -> bool:
        """Whether the password belongs to a stored hash; for None, the answer is no and takes as long.

        Raises:
            Busy: too many wait.
        """
        matches = await self._run(client, lambda: _hashes.verify(password, stored or _NOBODY))
        return matches and stored is not None

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, client: str, work: Callable[[], Result]) -> Result:
        async with self._turns.turn(client):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
