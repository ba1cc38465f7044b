"""Starts the runs of due schedules. Checks once a second with one index seek, independent of the number of schedules.

If more schedules are due than one transaction can start, workspaces take turns. A workspace whose schedules become due
meanwhile is part of the next transaction. Until all have started, runs of the backlog wait; see
`TicketQueue.holding_backlog`.

A tick's outcome, its run and the schedule's next time are written in one transaction that locks the schedule's row.
After a crash, a tick has all of them or none, and another ticker handles it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import accumulate, zip_longest
from uuid import UUID

from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.store.database import PATIENT_SECONDS, Database, Session, StoreUnavailable
from stepiq.triggers.schedules import firing, queries
from stepiq.triggers.schedules.records import Candidate

log = logging.get(__name__)

BATCH = 200
"""Maximum schedules fired by one transaction, so that other transactions do not wait long."""
_BATCH_BYTES = 8 * 1024 * 1024
"""Maximum input of a batch. Each workspace of a batch can have one schedule with the largest input."""
_WORKSPACES_OF_BATCH = 20
_BEFORE_ALL = UUID(int=0)

_A_MOMENT_SECONDS = 0.001
_COMPILING_SECONDS = 0.25
"""How long a ticker waits for versions to be compiled before it looks for due schedules again."""

KEPT = timedelta(days=30)
"""How long outcomes of ticks are kept."""
_SWEPT = 500


class Ticker:
    """Fires the schedules of one database. Several tickers share the work."""

    def __init__(self, database: Database, engine: Engine, plans: Plans) -> None:
        self._database = database
        self._engine = engine
        self._plans = plans
        self._after = _BEFORE_ALL
        """The last workspace that had its turn in the current round."""
        self._looked_at: datetime | None = None
        """The time of the last batch."""
        self._is_crowded = False
        """Whether more schedules are due than fit into one batch, as far as known."""

    async def run_for_ever(self) -> None:
        """Tick at the start of every second until cancelled. Retries the next second if the store is unavailable."""
        while True:
            await asyncio.sleep(1 - clock.now().microsecond / 1_000_000 + _A_MOMENT_SECONDS)
            try:
                await self.tick()
            except StoreUnavailable:
                log.warning("ticker_waits_for_store")
            except Exception:
                log.exception("ticker_broke")

    async def tick(self, now: datetime | None = None) -> int:
        """Handle schedules until none is due.

        Args:
            now: The time. By default, the time of each turn, which includes schedules that become due meanwhile.

        Returns:
            The number of schedules handled.

        Raises:
            StoreUnavailable: schedules without an outcome stay due.
        """
        handled = 0
        with ExitStack() as stack:
            is_held = False
            while (number := await self.turn(now or clock.now())) or await self._compiled():
                handled += number
                if not number:
                    # Only versions are being compiled, for which runs of the backlog must not wait.
                    stack.close()
                    is_held = False
                elif self._is_crowded and not is_held:
                    is_held = True
                    stack.enter_context(self._engine.holding_backlog())
        return handled

    async def _compiled(self) -> bool:
        """Wait a moment for versions that are being compiled; False if there are none."""
        return await self._engine.definitions.wait_compiled(_COMPILING_SECONDS)

    async def turn(self, now: datetime) -> int:
        """Handle one batch of due schedules. If they do not fit in one batch, workspaces take turns.

        Returns:
            The number of schedules handled. More may be due.

        Raises:
            StoreUnavailable: schedules without an outcome stay due.
        """
        if not self._is_crowded:
            # Read-only, so that other transactions do not wait for the write lock.
            async with self._database.reading() as session:
                due = await queries.due(session, now, BATCH)
            self._is_crowded = len(due) == BATCH
            if not self._is_crowded:
                self._looked_at = now
                return await self._batch(now, _fitting(due))
        # Schedules that cannot be handled stay due. They must not block the workspaces after them.
        ends_of_round = 0
        while ends_of_round < 2:
            if handled := await self._batch_in_turn(now):
                return handled
            ends_of_round += handled is None
        self._is_crowded = False
        return 0

    async def _batch_in_turn(self, now: datetime) -> int | None:
        """Fire a batch of the workspaces whose turn it is; returns the number handled, or None at the end of a round."""
        found: Sequence[UUID] = ()
        try:
            # One transaction, because on a busy event loop, each one takes long.
            async with self._database.transaction(PATIENT_SECONDS) as session:
                workspaces = await self._next_workspaces(session, now)
                if not workspaces:
                    return None
                each = max(1, BATCH // len(workspaces))
                found = _fitting(await queries.due_of_each(session, now, each, workspaces))
                handled = await self._fire(session, now, found)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("ticks_broke")
            return await self._one_by_one(now, found) if found else None
        return handled

    async def _next_workspaces(self, session: Session, now: datetime) -> list[UUID]:
        """The workspaces of the next batch; empty at the end of a round.

        Workspaces with schedules that became due since the last batch come first, so they wait for one batch at most.
        """
        following = await queries.due_workspaces(
            session, now, _WORKSPACES_OF_BATCH, after=self._after
        )
        since = self._looked_at or now
        new = await queries.newly_due_workspaces(session, since, now, _WORKSPACES_OF_BATCH)
        self._looked_at = now
        chosen = list(dict.fromkeys([*new, *following]))[:_WORKSPACES_OF_BATCH]
        kept = [workspace_id for workspace_id in following if workspace_id in chosen]
        self._after = kept[-1] if kept else self._after if following else _BEFORE_ALL
        return chosen

    async def _batch(self, now: datetime, found: Sequence[UUID]) -> int:
        """Fire due schedules; returns the number handled."""
        if not found:
            return 0
        try:
            async with self._database.transaction(PATIENT_SECONDS) as session:
                handled = await self._fire(session, now, found)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("ticks_broke")
            return await self._one_by_one(now, found)
        # Lets other tasks run between batches.
        await asyncio.sleep(0)
        return handled

    async def _fire(self, session: Session, now: datetime, found: Sequence[UUID]) -> int:
        taken = await queries.take_due(session, now, found) if found else []
        # Workspaces take turns: not all of the schedules may be fired.
        place = {schedule_id: number for number, schedule_id in enumerate(found)}
        taken.sort(key=lambda due: place[due.schedule.id])
        return await firing.fire(session, taken, now, self._engine, self._plans)

    async def _one_by_one(self, now: datetime, found: Sequence[UUID]) -> int:
        """Handle each schedule of a failed batch in its own transaction, and skip the ones that fail."""
        handled = 0
        for schedule_id in found:
            try:
                async with self._database.transaction() as session:
                    handled += await self._fire(session, now, [schedule_id])
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("tick_broke", schedule_id=str(schedule_id))
                handled += await self._pass_over(schedule_id, now)
        return handled

    async def _pass_over(self, schedule_id: UUID, now: datetime) -> int:
        try:
            async with self._database.transaction() as session:
                taken = await queries.take_due(session, now, [schedule_id])
                await firing.give_up(session, taken, now)
        except StoreUnavailable:
            raise
        except Exception:
            # It stays due and is retried every time. It must not block the others.
            log.exception("tick_not_abandoned", schedule_id=str(schedule_id))
            return 0
        return len(taken)


def _fitting(due: Sequence[Candidate]) -> list[UUID]:
    """Those that fit into a batch by the size of their inputs: one of each workspace in turn, and at least one."""
    by_workspace: defaultdict[UUID, list[Candidate]] = defaultdict(list)
    for candidate in due:
        by_workspace[candidate.workspace_id].append(candidate)
    in_turn = [each for turn in zip_longest(*by_workspace.values()) for each in turn if each]
    sizes = accumulate(candidate.size_bytes for candidate in in_turn)
    return [
        candidate.id
        for place, (candidate, size) in enumerate(zip(in_turn, sizes, strict=True))
        if not place or size <= _BATCH_BYTES
    ]


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of outcomes older than 30 days; returns the number deleted."""
    return await queries.forget_ticks(session, now - KEPT, _SWEPT)
