"""Lets work begin on the event loop in turns, and shares these fairly between owners, such as workspaces."""

import asyncio
import itertools
import time
from collections import OrderedDict
from heapq import heappop, heappush
from math import inf

from stepiq.core.concurrency.fairness import Owner

_LONGEST_PAUSE_SECONDS = 0.1
"""A process that was suspended during a turn does not wait as long again."""
_SAVED_ROUNDS = 2
"""How many rounds of an owner without a turn count for later."""
_REMEMBERED = 1_000
"""Maximum number of owners whose turns are remembered."""

_Turn = tuple[float, int, asyncio.Future[None]]
"""Since when the work waits, a unique number, and the future that its turn resolves."""
_Next = tuple[float, int, Owner]
"""The round of an owner's next turn, a unique number, and the owner. The smallest is next."""


class LoopTurns:
    """Lets work begin on the event loop in turns.

    A turn lasts until the loop has done what was ready. Then none begins for the same time, so that the loop has time for
    requests.

    If a lot of work began in the same iteration, everything else on the loop would wait for it, and again each time it
    resumed. With turns, work begins only as fast as the loop keeps up with the work that has begun.

    In each round, each waiting owner has one turn. An owner that has had no turn for some rounds can have two turns
    before the others. So a run with a few steps does not wait a round for each of them.
    """

    def __init__(self) -> None:
        self._is_free = True
        self._round = 0.0
        """The round of the latest turn."""
        self._rounds: OrderedDict[Owner, float] = OrderedDict()
        """The round of the next turn of each owner, the one whose latest turn was longest ago first."""
        self._floor = -inf
        """The latest round of an owner that is no longer remembered. An unknown owner gets this round or a later one."""
        self._waiting: dict[Owner, list[_Turn]] = {}
        """Heaps of waiting callers."""
        self._order: list[_Next] = []
        """A heap of the owners that wait."""
        self._numbers = itertools.count()

    async def take(self, owner: Owner, waited_seconds: float = 0.0) -> None:
        """Wait for a turn. If it is nobody's turn, return immediately.

        Args:
            owner: whose work it is.
            waited_seconds: how long the work has waited before this call. Of an owner's work, the work that has
                waited longest begins first.
        """
        loop, now = asyncio.get_running_loop(), time.monotonic()
        if self._is_free:
            self._is_free = False
            self._count(owner)
            loop.call_soon(self._end, now)
            return
        turn = loop.create_future()
        turns = self._waiting.setdefault(owner, [])
        heappush(turns, (now - waited_seconds, next(self._numbers), turn))
        if len(turns) == 1:
            self._queue(owner)
        await turn

    def _round_of(self, owner: Owner) -> float:
        """The round of the next turn of an owner."""
        return max(self._rounds.get(owner, self._floor), self._round - _SAVED_ROUNDS)

    def _queue(self, owner: Owner) -> None:
        heappush(self._order, (self._round_of(owner), next(self._numbers), owner))

    def _count(self, owner: Owner) -> None:
        this_round = self._round_of(owner)
        self._round = max(self._round, this_round)
        self._rounds[owner] = this_round + 1
        self._rounds.move_to_end(owner)
        if len(self._rounds) > _REMEMBERED:
            _, forgotten = self._rounds.popitem(last=False)
            self._floor = max(self._floor, forgotten)

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._order:
            _, _, owner = heappop(self._order)
            turns = self._waiting[owner]
            _, _, turn = heappop(turns)
            is_wanted = not turn.cancelled()
            if is_wanted:
                self._count(owner)
            if turns:
                self._queue(owner)
            else:
                del self._waiting[owner]
            if is_wanted:
                turn.set_result(None)
                loop.call_soon(self._end, time.monotonic())
                return
        self._is_free = True

    def _end(self, began_at: float) -> None:
        took = min(time.monotonic() - began_at, _LONGEST_PAUSE_SECONDS)
        asyncio.get_running_loop().call_later(took, self._next)
