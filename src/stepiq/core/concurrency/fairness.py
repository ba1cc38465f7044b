"""Shares a limited resource fairly between owners, such as workspaces.

A pool that all workspaces use is a `FairSemaphore`, and the event loop has `core.concurrency.turns`. The current owner is a
context variable, so that a resource deep in the call stack of a request or a run can identify the workspace that uses
it.
"""

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf, log

Owner = Hashable


@dataclass(frozen=True, slots=True)
class OwnShare:
    """An owner with a share of its own: work of a workspace that must not wait for other work of the workspace."""

    work: str
    workspace: Hashable


def workspace_of(owner: Owner) -> Owner:
    """The workspace of an owner, for resources of which a workspace has one share for all its work."""
    return owner.workspace if isinstance(owner, OwnShare) else owner


_HALF_LIFE_SECONDS = 60.0
"""The time after which past use counts by half."""
_REMEMBERED = 1_000
"""Maximum number of idle owners whose past use is kept."""
_OUTDATED = 64
"""Number of outdated entries that a heap can always contain."""

_owner: ContextVar[Owner] = ContextVar("owner", default=None)


def act_for(owner: Owner) -> None:
    """Set the owner of everything that the current task, and the tasks it creates, use from now on."""
    _owner.set(owner)


def current_owner() -> Owner:
    """The owner that the current task acts for, or None."""
    return _owner.get()


class TooManyWaiting(Exception):
    """Too many callers wait for a place."""


class _Callers:
    """Waiting callers of one owner. Urgent ones and others take turns; of both, the oldest is first."""

    __slots__ = ("_others", "_urgent", "_was_urgent")

    def __init__(self) -> None:
        self._urgent: OrderedDict[asyncio.Future[None], float] = OrderedDict()
        self._others: OrderedDict[asyncio.Future[None], float] = OrderedDict()
        self._was_urgent = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def __contains__(self, caller: asyncio.Future[None]) -> bool:
        return caller in self._urgent or caller in self._others

    def add(self, caller: asyncio.Future[None], arrived_at: float, *, urgent: bool) -> None:
        queue = self._urgent if urgent else self._others
        queue[caller] = arrived_at

    def next(self) -> asyncio.Future[None]:
        is_urgent = self._urgent and not (self._was_urgent and self._others)
        return next(iter(self._urgent if is_urgent else self._others))

    def remove(self, caller: asyncio.Future[None]) -> None:
        self._was_urgent = self._urgent.pop(caller, None) is not None
        if not self._was_urgent:
            del self._others[caller]

    def oldest(self) -> float:
        """When the caller that has waited longest arrived."""
        return min(next(iter(queue.values())) for queue in (self._urgent, self._others) if queue)


@dataclass(slots=True)
class _Share:
    """The places and the waiting callers of one owner."""

    held: int = 0
    used: float = 0.0
    """Recent use in seconds, as of `used_at`."""
    used_at: float = 0.0
    granted_at: float = -inf
    has_backlog: bool = False
    """Whether several of its callers needed places at the same time, more than it could get. Reset when it is idle."""
    waiting: _Callers = field(default_factory=_Callers)
    entry: "_Entry | None" = None
    """Its entry in a heap. Other entries of this owner are outdated."""

    def recent_use(self, now: float) -> float:
        """Seconds of use. Older use counts less."""
        kept = 0.5 ** ((now - self.used_at) / _HALF_LIFE_SECONDS)
        return self.used * kept + self.held * (1 - kept) * _HALF_LIFE_SECONDS / log(2)


_Entry = tuple[int, float, int, Owner]
"""Places held, the time that determines the turn, a unique number, and the owner. The smallest is next."""


class FairSemaphore:
    """A semaphore with a fixed number of places for many owners.

    - A free place goes to the waiting owner with the fewest places.
    - Of several, it goes to the one that has waited longest since its last place. By default, recent use counts as
      waiting less.
    - An owner has at most `share` places. Its callers get them in the order of their arrival, but every second place
      goes to an urgent one if there is one.
    - The last `reserve` places are for owners that have no place, no backlog of callers and little recent use, and for
      those that `take` them with `from_reserve`.

    An owner without a place is overtaken only by owners that arrived before it, or shortly after. So it gets a place
    eventually. An operation costs O(log n) for n waiting owners.
    """

    def __init__(
        self,
        size: int,
        *,
        share: int | None = None,
        reserve: int = 0,
        little_use_seconds: float = inf,
        counts_use: bool = True,
        max_waiting: float = inf,
        max_waiting_of_owner: float = inf,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a semaphore with all places free.

        Args:
            size: The number of places.
            share: The most places of one owner; by default, all.
            reserve: Fewer than `size`.
            little_use_seconds: An owner with more recent use than this cannot use the reserve.
            counts_use: Whether recent use counts as waiting less. False for places that are held only for milliseconds.
            max_waiting: Maximum number of waiting callers. Half of this is for owners without a waiting caller.
            max_waiting_of_owner: Maximum number of waiting callers of one owner.
            now: A monotonic clock in seconds.
        """
        if not 0 <= reserve < size:
            raise ValueError("The reserve must be smaller than the number of places.")
        self.size = size
        self.share = size if share is None else share
        self.reserve = reserve
        self._little_use = little_use_seconds
        self._counts_use = counts_use
        self._max_waiting = max_waiting
        self._max_waiting_of_owner = max_waiting_of_owner
        self._now = now
        self._free = size
        self._waiting = 0
        self._shares: dict[Owner, _Share] = {}
        self._idle: OrderedDict[Owner, None] = OrderedDict()
        """Owners in `_shares` without a place or a waiting caller, the least recently active first."""
        self._first_places: list[_Entry] = []
        """Waiting owners that can use the reserve."""
        self._more_places: list[_Entry] = []
        """All other waiting owners."""
        self._numbers = itertools.count()

    @property
    def free(self) -> int:
        """The number of free places, including the reserve."""
        return self._free

    def held(self, owner: Owner) -> int:
        """The number of places of an owner."""
        share = self._shares.get(owner)
        return 0 if share is None else share.held

    def uses_little(self, owner: Owner) -> bool:
        """Whether an owner has at most `little_use_seconds` of recent use, by its places together."""
        share = self._shares.get(owner)
        return share is None or share.recent_use(self._now()) <= self._little_use

    def take(self, owner: Owner, *, from_reserve: bool = False) -> bool:
        """Take a place if the owner can have one now. Returns whether it did; if so, the caller must `release` it.

        Args:
            owner: Whose place it is.
            from_reserve: Whether it may come from the reserve, whatever the owner has used.
        """
        share = self._activate(owner)
        is_granted = not share.waiting and self._may_take(share, from_reserve=from_reserve)
        if is_granted:
            self._grant(share)
        self._rest(owner, share)
        return is_granted

    def release(self, owner: Owner) -> None:
        """Release a place of an owner, and grant free places to waiting owners."""
        share, now = self._shares[owner], self._now()
        share.used, share.used_at = share.recent_use(now), now
        share.held -= 1
        self._free += 1
        self._queue(owner, share)
        self._rest(owner, share)
        self._serve()

    @asynccontextmanager
    async def place(self, owner: Owner, *, urgent: bool = False) -> AsyncGenerator[None]:
        """Wait for a place, and release it at the end.

        Args:
            owner: Whose place it is.
            urgent: Whether every second place of this owner goes to this caller and other urgent ones, as long as they
                wait. They do not overtake other owners.

        Raises:
            TooManyWaiting: Too many callers wait, of this owner or in total.
        """
        await self.acquire(owner, urgent=urgent)
        try:
            yield
        finally:
            self.release(owner)

    async def acquire(self, owner: Owner, *, urgent: bool = False) -> None:
        """Wait for a place, as `place` does. The caller must `release` it.

        Raises:
            TooManyWaiting: Too many callers wait, of this owner or in total.
        """
        if self.take(owner):
            return
        share = self._activate(owner)
        if not self._may_wait(share):
            self._rest(owner, share)
            raise TooManyWaiting
        granted = asyncio.get_running_loop().create_future()
        share.waiting.add(granted, self._now(), urgent=urgent)
        share.has_backlog = share.has_backlog or share.held + len(share.waiting) > 1
        self._waiting += 1
        if len(share.waiting) <= 2:
            # The first caller gives the owner a position. The second creates a backlog, which can change the position.
            self._queue(owner, share)
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():
                # The place was granted at the same moment.
                self.release(owner)
            elif granted in share.waiting:
                self._withdraw(owner, share, granted)
            raise

    def _activate(self, owner: Owner) -> _Share:
        self._idle.pop(owner, None)
        return self._shares.setdefault(owner, _Share())

    def _rest(self, owner: Owner, share: _Share) -> None:
        """Keep the use of an owner that has become idle."""
        if share.held or share.waiting:
            return
        share.has_backlog = False
        self._idle[owner] = None
        self._idle.move_to_end(owner)
        if len(self._idle) > _REMEMBERED:
            forgotten, _ = self._idle.popitem(last=False)
            del self._shares[forgotten]

    def _may_use_reserve(self, share: _Share) -> bool:
        if share.held or share.has_backlog:
            return False
        return share.recent_use(self._now()) <= self._little_use

    def _may_take(self, share: _Share, *, from_reserve: bool) -> bool:
        if not self._free or share.held >= self.share:
            return False
        return from_reserve or self._free > self.reserve or self._may_use_reserve(share)

    def _may_wait(self, share: _Share) -> bool:
        if not share.waiting:
            return self._waiting < self._max_waiting
        has_room = self._waiting < self._max_waiting / 2
        return has_room and len(share.waiting) < self._max_waiting_of_owner

    def _grant(self, share: _Share) -> None:
        now = self._now()
        share.used, share.used_at = share.recent_use(now), now
        share.granted_at = now
        share.held += 1
        self._free -= 1

    def _withdraw(self, owner: Owner, share: _Share, granted: asyncio.Future[None]) -> None:
        share.waiting.remove(granted)
        self._waiting -= 1
        self._queue(owner, share)
        self._rest(owner, share)

    def _queue(self, owner: Owner, share: _Share) -> None:
        """Update the position of a waiting owner, which depends on its places and the caller that has waited longest."""
        share.entry = None
        if not share.waiting:
            return
        now = self._now()
        since = max(share.waiting.oldest(), share.granted_at)
        turn = since + (share.recent_use(now) if self._counts_use else 0.0)
        share.entry = (share.held, turn, next(self._numbers), owner)
        heap = self._first_places if self._may_use_reserve(share) else self._more_places
        heappush(heap, share.entry)
        if len(heap) > 2 * len(self._shares) + _OUTDATED:
            heap[:] = filter(self._is_current, heap)
            heapify(heap)

    def _is_current(self, entry: _Entry) -> bool:
        share = self._shares.get(entry[-1])
        return share is not None and share.entry is entry

    def _next(self) -> _Entry | None:
        """The entry of the owner that gets the next free place; None if no owner can have it."""
        heaps = [self._first_places]
        if self._free > self.reserve:
            heaps.append(self._more_places)
        for heap in heaps:
            while heap and not self._is_current(heap[0]):
                heappop(heap)
        return min((heap[0] for heap in heaps if heap), default=None)

    def _serve(self) -> None:
        while self._free and (entry := self._next()) is not None:
            owner = entry[-1]
            share = self._shares[owner]
            granted = share.waiting.next()
            if granted.cancelled():
                self._withdraw(owner, share, granted)
                continue
            if share.held >= self.share:
                # It has the fewest places, so all other waiting owners have their full share too.
                return
            share.waiting.remove(granted)
            self._waiting -= 1
            self._grant(share)
            granted.set_result(None)
            self._queue(owner, share)
