"""Looking up names apart from the event loop's own threads, so that a slow name server holds up nothing else."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

_MAX_LOOKUPS = 16


class Resolver(Protocol):
    """Finds the addresses of a name."""

    async def resolve(self, host: str) -> Sequence[str]:
        """Every address, best first.

        Raises:
            OSError: there is none, or nobody could say.
        """
        ...


class SystemResolver:
    """The system's own resolver, with at most 16 look-ups at once.

    A look-up that nobody waits for any longer goes on until the system gives up, and keeps its place among the 16 until then.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_MAX_LOOKUPS)

    async def resolve(self, host: str) -> Sequence[str]:
        """Every address, best first, as `getaddrinfo` knows them."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str] | Exception) -> None:
            self._places.release()
            if answer.done():
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look_up() -> None:
            try:
                found: Sequence[str] | Exception = _addresses(host)
            except Exception as error:  # handed over to who waits
                found = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, found)

        # Not a pool: the interpreter waits for a pool's threads at its end, and these may take half a minute.
        threading.Thread(target=look_up, name="stepiq-resolve", daemon=True).start()
        return await answer


def _addresses(host: str) -> Sequence[str]:
    entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
