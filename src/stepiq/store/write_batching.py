"""Combines concurrent writes into one transaction, so that they share statements and the wait for the disk.

While a transaction is in progress, new items wait for the next one. If there are too many for one transaction, keys
take turns. A caller gets its result only after its item is durable.
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
"""Items per transaction. More would delay other writers."""
_LANES = 4

Item = TypeVar("Item")
Result = TypeVar("Result")

Together = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
"""Processes items in one transaction. Returns the result of each, or the exception that explains its refusal.

If it raises, all items fail, and nothing may have been committed.
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
    """Runs one transaction at a time."""

    def __init__(self, together: Together[Item, Result], most: int, *, gives_up: bool) -> None:
        self._together = together
        self._most = most
        self._gives_up = gives_up
        self._waiting: OrderedDict[Hashable, deque[_Waiting[Item, Result]]] = OrderedDict()
        """By key. The next batch takes one item of each key in turn, starting with the first key."""
        self._working: asyncio.Task[None] | None = None

    async def add(self, item: Item, key: Hashable) -> Result:
        waiting = _Waiting[Item, Result](item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(waiting)
        if self._working is None:
            # An empty context keeps the first caller's log fields out of the log lines of other callers.
            self._working = asyncio.create_task(self._work(), context=Context())
        try:
            return await asyncio.shield(waiting.done)
        except asyncio.CancelledError:
            if waiting.is_taken:
                await _settled(waiting.done)
                if not waiting.done.cancelled():
                    # Retrieve the exception, because asyncio logs exceptions that are never retrieved.
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
            # Items are left only if the process stops during a batch. Then no caller waits for them.
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
        """Process and settle a batch. Returns the error if the store is unavailable, else None."""
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
        # Nothing was committed, and one invalid item must not fail the others.
        away: StoreUnavailable | None = None
        for waiting in batch:
            if away is None:
                away = await self._do_or_fail([waiting])
            else:
                waiting.settle(away)
        return away


async def _settled(done: asyncio.Future[Any]) -> None:
    """Wait for the future, even if the waiting task is cancelled repeatedly."""
    while not done.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({done})


class WriteBatcher(Generic[Item, Result]):
    """Batches writes of one kind in this process.

    On PostgreSQL, up to 4 transactions run at a time. The items of one key share one of them, so a long lock on rows of
    one workspace does not delay all others. On SQLite, which has one writer, one transaction runs at a time.
    """

    def __init__(
        self,
        database: Database,
        together: Together[Item, Result],
        most: int = MOST_TOGETHER,
        *,
        gives_up: bool = False,
    ) -> None:
        """Create a batcher for a store.

        Args:
            database: the store.
            together: processes a batch.
            most: maximum number of items per transaction.
            gives_up: whether an unavailable store also fails the waiting items that were not tried. For callers that
                need a quick response.
        """
        number = 1 if database.is_sqlite else _LANES
        self._lanes = [_Lane(together, most, gives_up=gives_up) for _ in range(number)]

    async def add(self, item: Item, key: Hashable = None) -> Result:
        """Process an item; it is durable when this returns.

        A caller cancelled before its batch starts has no effect. One cancelled later waits until its transaction ends.

        Args:
            item: what to process.
            key: the owner of the work, such as a workspace's id. Keys take turns.

        Raises:
            StoreUnavailable: it is unknown whether the item was saved.
            Exception: the reason why the item was refused.
        """
        return await self._lanes[hash(key) % len(self._lanes)].add(item, key)


class SharedTransactions:
    """Runs short work of many callers in shared transactions: a few statements each, on rows of that caller only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gatherer = WriteBatcher[Callable[[Session], Awaitable[Any]], Any](
            database, self._together
        )

    async def run(
        self, work: Callable[[Session], Awaitable[Result]], key: Hashable = None
    ) -> Result:
        """Run `work` in a transaction; durable when this returns.

        If the work of another caller breaks the transaction, `work` runs once more, in its own transaction.

        Raises:
            StoreUnavailable: it is unknown whether the work was saved.
        """
        return await self._gatherer.add(work, key)

    async def _together(self, batch: Sequence[Callable[[Session], Awaitable[Any]]]) -> list[Any]:
        async with self._database.transaction(PATIENT_SECONDS) as session:
            return [await work(session) for work in batch]
