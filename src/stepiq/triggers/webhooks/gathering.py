"""Runs that arrive at the same time are accepted in one transaction: the wait for the disk is shared.

While one transaction is under way, what arrives waits for the next. Nobody is answered before their run is durable.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass

from stepiq.core.errors import StepIQError
from stepiq.engine.records import NewRun
from stepiq.engine.runtime import Engine
from stepiq.store.database import Database, Session, StoreUnavailable

MOST_TOGETHER = 20
"""Runs of one transaction: more would keep other writers waiting."""

Prepare = Callable[[Session], Awaitable[NewRun]]
"""Makes the run to accept, the same each time."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    prepare: Prepare
    done: asyncio.Future[None]

    def settle(self, error: Exception | None) -> None:
        if self.done.done():
            # The caller has hung up.
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class Gatherer:
    """Accepts runs of one process."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None

    async def accept(self, prepare: Prepare) -> None:
        """Accept a run; it is durable when this returns. A caller who is cancelled may have started it all the same.

        Raises:
            PlanRunsExhausted, PlanCreditsExhausted, QueueFull: the plan allows no more.
            StoreUnavailable: whether the run was accepted is unknown.
        """
        waiting = _Waiting(prepare, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._working is None:
            # Without this request's context: its id has no place in what is logged of others.
            self._working = asyncio.create_task(self._work(), context=Context())
        await waiting.done

    async def _work(self) -> None:
        try:
            while self._waiting:
                most = min(len(self._waiting), MOST_TOGETHER)
                await self._accept_or_fail([self._waiting.popleft() for _ in range(most)])
        finally:
            self._working = None

    async def _accept_or_fail(self, batch: Sequence[_Waiting]) -> None:
        try:
            refusals = await self._accept_together(batch)
        except StoreUnavailable as error:
            for waiting in batch:
                waiting.settle(error)
        except Exception as error:
            if len(batch) == 1:
                batch[0].settle(error)
                return
            # Nothing was committed. What is wrong with one of them is not the others' business.
            for waiting in batch:
                await self._accept_or_fail([waiting])
        else:
            for waiting, refusal in zip(batch, refusals, strict=True):
                waiting.settle(refusal)

    async def _accept_together(self, batch: Sequence[_Waiting]) -> list[StepIQError | None]:
        async with self._database.transaction() as session:
            wanted = [await waiting.prepare(session) for waiting in batch]
            return await self._engine.accept_many(session, wanted)
