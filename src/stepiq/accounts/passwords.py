"""Password hashes: Argon2id with OWASP's parameters (19 MiB, two passes, one lane).

Two threads of their own do the work, so that a burst of logins neither stalls the event loop nor fills the memory.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

_THREADS = 2
_hashes = PasswordHash([Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1)])

_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$5X/PPfnJp6QSaGx62YI6Aw$UDIznYWQeNH0FpBT9k2bp8o2nuFaUS8/p7Pl7NkrBlI"
)
"""The hash of 256 random bits that nobody kept: comparing with it takes as long as with a real one."""


class Passwords:
    """Hashes and compares passwords without blocking the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        """A salted hash to store."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _hashes.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password belongs to a stored hash; for None, the answer is no and takes as long."""
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(
            self._threads, _hashes.verify, password, stored or _NOBODY
        )
        return matches and stored is not None

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
