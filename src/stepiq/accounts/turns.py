"""Taking turns at something slow: a few at once, each caller in their turn, and a bounded queue of those who wait."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stepiq.accounts.errors import Busy


class Turns:
    """Lets so many in at once. Whoever has many waiting gets no more turns than whoever has one."""

    def __init__(self, at_once: int, *, waiting: int, waiting_each: int) -> None:
        self._free = at_once
        self._waiting = waiting
        self._waiting_each = waiting_each
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._queued = 0

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncGenerator[None]:
        """Wait for a turn, and give it back at the end.

        Raises:
            Busy: too many wait already, of `who` or altogether.
        """
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(who)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, who: str) -> None:
        queue = self._queues.get(who)
        if self._queued >= self._waiting or (queue and len(queue) >= self._waiting_each):
            raise Busy
        if queue is None:
            queue = self._queues[who] = deque()
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        self._queued += 1
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                # The turn came in the same moment as the cancellation.
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._queues:
            who, queue = next(iter(self._queues.items()))
            future = queue.popleft()
            self._queued -= 1
            if queue:
                self._queues.move_to_end(who)
            else:
                del self._queues[who]
            if not future.cancelled():
                future.set_result(None)
                return
        self._free += 1
