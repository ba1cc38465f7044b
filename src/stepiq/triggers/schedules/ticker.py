"""Starts the runs of due schedules. Checks once a second with one index seek, independent of the number of schedules.

If more schedules are due than one transaction can start, workspaces take turns. A workspace whose schedules become due
meanwhile is part of the next transaction.

A tick's outcome, its run and the schedule's next time are written in one transaction that locks the schedule's row.
After a crash, a tick has all of them or none, and another ticker handles it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.billing import service as billing
from stepiq.billing.plans import Plans
from stepiq.core import clock, logging, metrics
from stepiq.core.errors import StepIQError
from stepiq.execution.records import NewRun, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.pipelines import pausing
from stepiq.runs import service as runs
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.states import CallerType, PipelineStatus, TickOutcome, TriggerType
from stepiq.triggers.schedules import queries
from stepiq.triggers.schedules.records import Due, Tick, TickReason
from stepiq.triggers.schedules.ticks import Look, look, run_id

log = logging.get(__name__)

BATCH = 40
"""Maximum schedules fired by one transaction, so that other transactions do not wait long."""
_WORKSPACES_OF_BATCH = 20
_BEFORE_ALL = UUID(int=0)

_A_MOMENT_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class _Firing:
    """One due schedule, and what to do about it."""

    due: Due
    look: Look
    run: NewRun | None = None
    reason: str | None = None
    """Why a due tick starts no run."""


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
        while number := await self.turn(now or clock.now()):
            handled += number
        return handled

    async def turn(self, now: datetime) -> int:
        """Handle one batch of due schedules. If they do not fit in one batch, workspaces take turns.

        Returns:
            The number of schedules handled. More may be due.

        Raises:
            StoreUnavailable: schedules without an outcome stay due.
        """
        # Schedules that cannot be handled stay due. They must not block the workspaces after them.
        handled = ends_of_round = 0
        while not handled and ends_of_round < 2:
            # Read-only, so that other transactions do not wait for the write lock.
            async with self._database.reading() as session:
                found = await queries.due_ids(session, now, BATCH)
                if is_crowded := len(found) == BATCH:
                    found = await self._in_turn(session, now)
            if not is_crowded:
                self._looked_at = now
                return await self._batch(now, found)
            ends_of_round += not found
            handled = await self._batch(now, found)
        return handled

    async def _in_turn(self, session: Session, now: datetime) -> list[UUID]:
        """Due schedules, the same number of each workspace of the next batch; empty at the end of a round."""
        workspaces = await self._next_workspaces(session, now)
        each = max(1, BATCH // max(1, len(workspaces)))
        return await queries.due_ids_of_each(session, now, each, workspaces)

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
            async with self._database.transaction() as session:
                taken = await queries.take_due(session, now, found)
                await self._fire(session, taken, now)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("ticks_broke")
            return await self._one_by_one(now, found)
        # Lets other tasks run between batches.
        await asyncio.sleep(0)
        return len(taken)

    async def _one_by_one(self, now: datetime, found: Sequence[UUID]) -> int:
        """Handle each schedule of a failed batch in its own transaction, and skip the ones that fail."""
        handled = 0
        for schedule_id in found:
            try:
                async with self._database.transaction() as session:
                    taken = await queries.take_due(session, now, [schedule_id])
                    await self._fire(session, taken, now)
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("tick_broke", schedule_id=str(schedule_id))
                handled += await self._pass_over(schedule_id, now)
            else:
                handled += len(taken)
        return handled

    async def _pass_over(self, schedule_id: UUID, now: datetime) -> int:
        try:
            async with self._database.transaction() as session:
                taken = await queries.take_due(session, now, [schedule_id])
                await self._write(session, [_give_up(due, now) for due in taken], now)
        except StoreUnavailable:
            raise
        except Exception:
            # It stays due and is retried every time. It must not block the others.
            log.exception("tick_not_abandoned", schedule_id=str(schedule_id))
            return 0
        return len(taken)

    async def _fire(self, session: Session, taken: Sequence[Due], now: datetime) -> None:
        if not taken:
            return
        # A later statement than the one that locked the schedules, so that it sees a pause that was committed meanwhile.
        paused = await pausing.lock_paused(session, {due.schedule.pipeline_id for due in taken})
        firings = [
            await self._decide(session, due, now, is_paused=due.schedule.pipeline_id in paused)
            for due in taken
        ]
        wanted = [firing.run for firing in firings if firing.run is not None]
        refusals = await self._engine.accept_many(session, wanted)
        refused = {
            run.id: refusal.code
            for run, refusal in zip(wanted, refusals, strict=True)
            if refusal is not None
        }
        await self._write(session, firings, now, refused)

    async def _decide(
        self, session: Session, due: Due, now: datetime, *, is_paused: bool
    ) -> _Firing:
        schedule = due.schedule
        if due.pipeline_status is not PipelineStatus.ACTIVE:
            stopped = Look(due.due_at, (), None, None)
            return _Firing(due, stopped, reason=TickReason.PIPELINE_ARCHIVED)
        try:
            seen = look(schedule, due.due_at, now)
        except StepIQError as error:
            log.warning("schedule_unreadable", schedule_id=str(schedule.id), code=error.code)
            return _Firing(due, Look(due.due_at, (), None, None), reason=error.code)
        if seen.due is None or (due.is_recorded and seen.due == due.due_at):
            return _Firing(due, seen)
        if is_paused:
            return _Firing(due, seen, reason=TickReason.PIPELINE_PAUSED)
        if due.is_disabled:
            return _Firing(due, seen, reason=TickReason.ACCOUNT_DISABLED)
        try:
            plan = self._plans.get(due.plan)
            billing.require_cron(plan)
            if due.last_run is not None and not due.last_run.is_final:
                return _Firing(due, seen, reason=TickReason.OVERLAP)
            definition = await self._engine.definitions.get(
                session, schedule.pipeline_id, due.version
            )
            run = await runs.new_run(
                session,
                run_id(schedule.id, seen.due, now),
                definition,
                engine=self._engine,
                plan=plan,
                workspace_id=schedule.workspace_id,
                pipeline_id=schedule.pipeline_id,
                version=due.version,
                trigger=TriggerType.CRON,
                input_data=definition.input.validate(schedule.input_data),
                caller=RunCaller(CallerType.SCHEDULE, schedule.id),
                schedule_id=schedule.id,
            )
        except StoreUnavailable:
            raise
        except StepIQError as error:
            return _Firing(due, seen, reason=error.code)
        return _Firing(due, seen, run)

    async def _write(
        self,
        session: Session,
        firings: Sequence[_Firing],
        now: datetime,
        refused: dict[UUID, str] | None = None,
    ) -> None:
        recorded: list[Tick] = []
        moves: list[tuple[UUID, datetime | None, datetime | None]] = []
        for firing in firings:
            outcomes = _outcomes(firing, now, refused or {})
            started = any(tick.outcome is TickOutcome.STARTED for tick in outcomes)
            recorded += outcomes
            moves.append((firing.due.schedule.id, firing.look.next_at, now if started else None))
        for tick in recorded:
            session.after_commit(metrics.schedule_ticks.labels(tick.outcome).inc)
        await queries.record(session, recorded)
        await queries.advance(session, moves)


def _outcomes(firing: _Firing, now: datetime, refused: dict[UUID, str]) -> list[Tick]:
    schedule_id, seen = firing.due.schedule.id, firing.look

    def tick(due_at: datetime, outcome: TickOutcome, reason: str | None) -> Tick:
        started = firing.run.id if firing.run and outcome is TickOutcome.STARTED else None
        return Tick(schedule_id, due_at, outcome, reason, started, now)

    ticks = [tick(at, TickOutcome.MISSED, TickReason.NOT_RUNNING) for at in seen.missed]
    if seen.missed_from is not None:
        reason = TickReason.NOT_RUNNING_FOR_LONG
        ticks.append(tick(seen.missed_from, TickOutcome.MISSED, reason))
    if seen.due is None:
        return ticks
    if firing.run is not None and firing.run.id not in refused:
        ticks.append(tick(seen.due, TickOutcome.STARTED, None))
    elif firing.run is not None or firing.reason is not None:
        reason = firing.reason if firing.run is None else refused[firing.run.id]
        ticks.append(tick(seen.due, TickOutcome.SKIPPED, reason))
    return ticks


def _give_up(due: Due, now: datetime) -> _Firing:
    try:
        next_at = due.schedule.next_after(max(due.due_at, now))
    except Exception:
        # The expression itself may be the cause. The schedule then stops firing until it is changed.
        next_at = None
    return _Firing(due, Look(due.due_at, (), None, next_at), reason=TickReason.INTERNAL)
