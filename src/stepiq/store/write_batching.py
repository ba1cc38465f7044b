"""What several ask of the store at the same time is done in one transaction: statements and the wait for the disk are shared.

While one transaction is under way, what comes in waits for the next. If that is too much for one transaction, keys take
turns. Nobody is answered before theirs is durable.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

from stepiq.store.database import PATIENT_SECONDS, Database, Session, StoreUnavailable

MOST_TOGETHER = 50
"""Of one transaction: more would keep other writers waiting."""
_LANES = 4

Item = TypeVar("Item")
Result = TypeVar("Result")

Together = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
"""Does the work of some items in one transaction; of each, what came of it, or why it was refused.

What it raises fails all of them, and must leave nothing behind.
"""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    done: asyncio.Future[Result]
    is_taken: bool = False

    def settle(self, result: Result | Exception) -> None:
        if self.done.done():
            return
        if isinstance(result, Exception):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)


class _Lane(Generic[Item, Result]):
    """One transaction after the other."""

    def __init__(self, together: Together[Item, Result], most: int, *, gives_up: bool) -> None:
        self._together = together
        self._most = most
        self._gives_up = gives_up
        self._waiting: OrderedDict[Hashable, deque[_Waiting[Item, Result]]] = OrderedDict()
        """By key. The next batch takes one item of each key in turn, from the first key on."""
        self._working: asyncio.Task[None] | None = None

    async def add(self, item: Item, key: Hashable) -> Result:
        waiting = _Waiting[Item, Result](item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(waiting)
        if self._working is None:
            # Without the first caller's context: it has no place in what is logged of others.
            self._working = asyncio.create_task(self._work(), context=Context())
        try:
            return await asyncio.shield(waiting.done)
        except asyncio.CancelledError:
            if waiting.is_taken:
                await _settled(waiting.done)
                if not waiting.done.cancelled():
                    # Whoever gave up has no use for why it failed.
                    waiting.done.exception()
            else:
                waiting.done.cancel()
            raise

    async def _work(self) -> None:
        batch: list[_Waiting[Item, Result]] = []
        try:
            while batch := self._take():
                await self._do_or_fail(batch)
        finally:
            self._working = None
            # Left with a batch, or with more to take, only where the process stops in the middle: nobody waits for it then.
            for waiting in (*batch, *self._take_all()):
                waiting.done.cancel()

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        while self._waiting and len(batch) < self._most:
            key, items = self._waiting.popitem(last=False)
            waiting = items.popleft()
            if items:
                self._waiting[key] = items
            if not waiting.done.cancelled():
                waiting.is_taken = True
                batch.append(waiting)
        return batch

    def _take_all(self) -> list[_Waiting[Item, Result]]:
        waiting = list(chain.from_iterable(self._waiting.values()))
        self._waiting.clear()
        return waiting

    async def _do_or_fail(self, batch: Sequence[_Waiting[Item, Result]]) -> StoreUnavailable | None:
        """Settle a batch, and say why the store is away, if it is."""
        try:
            results = await self._together([waiting.item for waiting in batch])
        except StoreUnavailable as error:
            if error.was_answered and len(batch) > 1:
                return await self._one_by_one(batch)
            if self._gives_up and not error.was_answered:
                batch = [*batch, *self._take_all()]
            for waiting in batch:
                waiting.settle(error)
            return None if error.was_answered else error
        except Exception as error:
            if len(batch) > 1:
                return await self._one_by_one(batch)
            batch[0].settle(error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                waiting.settle(result)
        return None

    async def _one_by_one(self, batch: Sequence[_Waiting[Item, Result]]) -> StoreUnavailable | None:
        # Nothing was committed. What is wrong with one of them is not the others' business.
        away: StoreUnavailable | None = None
        for waiting in batch:
            if away is None:
                away = await self._do_or_fail([waiting])
            else:
                waiting.settle(away)
        return away


async def _settled(done: asyncio.Future[Any]) -> None:
    """Wait, however often the waiting task is cancelled."""
    while not done.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({done})


class WriteBatcher(Generic[Item, Result]):
    """Gathers work of one kind in this process.

    On PostgreSQL there are several transactions at a time, those of one key in one: where rows of one workspace are locked
    for long, others go on. SQLite has one writer anyway.
    """

    def __init__(
        self,
        database: Database,
        together: Together[Item, Result],
        most: int = MOST_TOGETHER,
        *,
        gives_up: bool = False,
    ) -> None:
        """Gather for a store.

        Args:
            database: the store.
            together: does the work.
            most: how much goes into one transaction.
            gives_up: whether, when the store is away, also those fail who have waited and were not tried, such as callers
                who want to know soon.
        """
        number = 1 if database.is_sqlite else _LANES
        self._lanes = [_Lane(together, most, gives_up=gives_up) for _ in range(number)]

    async def add(self, item: Item, key: Hashable = None) -> Result:
        """Do the work of an item; it is durable when this returns.

        Who is cancelled while it waits has asked for nothing; later, this ends when its transaction has.

        Args:
            item: what to do.
            key: whose work it is, such as a workspace's id. Keys take turns.

        Raises:
            StoreUnavailable: whether it was done is unknown.
            Exception: why it was refused.
        """
        return await self._lanes[hash(key) % len(self._lanes)].add(item, key)


class SharedTransactions:
    """Short pieces of work of many callers: a few statements each, about rows that are theirs alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gatherer = WriteBatcher[Callable[[Session], Awaitable[Any]], Any](
            database, self._together
        )

    async def run(
        self, work: Callable[[Session], Awaitable[Result]], key: Hashable = None
    ) -> Result:
        """Do some work in a transaction, once or, where somebody else's breaks it, once more; durable when this returns.

        Raises:
            StoreUnavailable: whether it was done is unknown.
        """
        return await self._gatherer.add(work, key)

    async def _together(self, batch: Sequence[Callable[[Session], Awaitable[Any]]]) -> list[Any]:
        async with self._database.transaction(PATIENT_SECONDS) as session:
            return [await work(session) for work in batch]
