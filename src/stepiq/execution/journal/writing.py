"""The durable record of every run: its steps, totals, events and result.

Each write is conditional on the claim number: a worker that lost its claim changes nothing. Step rows, totals and
events that belong together are written in one transaction, so that a reader never sees one without the others.
Concurrent writes of several runs share a transaction.

Rows are locked in this order: runs, what belongs to one run (steps, its ticket, reviews, deliveries), their workspaces,
usage rollups; rows of one table in the order of their keys. All writers of a workspace wait for its row, so a
transaction locks it as late as possible.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.core.observability import logging, metrics
from stepiq.execution.admission.control import HELD, Admission, Release, RunLog, count_end
from stepiq.execution.journal import reading, reservations, statements
from stepiq.execution.journal.reservations import ReservationChange
from stepiq.execution.limits import usage
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.execution.limits.usage import Meter, Tally
from stepiq.execution.protocols import Outbox
from stepiq.execution.records import events, operations, reviews
from stepiq.execution.records.events import Event
from stepiq.execution.records.rows import claimed, split_large, step_row, used
from stepiq.execution.records.run import ClaimedRun, Ending, NewDelivery, Parking, StepRecord
from stepiq.queue import tickets
from stepiq.queue.ticket import Queue, Ticket
from stepiq.queue.tickets import TicketQueue
from stepiq.store.database import PATIENT_SECONDS, Database, Session
from stepiq.store.states import FINAL_STEP_STATUSES, RunStatus, StepStatus
from stepiq.store.tables import large_values, run_steps, runs
from stepiq.store.write_batching import WriteBatcher

log = logging.get(__name__)


class ClaimLost(Exception):
    """Another worker has claimed the run, or the run was cancelled. Stop executing it and write nothing."""


@dataclass(slots=True)
class JournalEntry:
    """What one transaction adds to a run's journal."""

    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    events: list[Event] = field(default_factory=list[Event])
    ending: Ending | None = None
    parking: Parking | None = None

    @property
    def distinct_steps(self) -> list[StepRecord]:
        """Each step once, even if it changed several times."""
        return list({id(record): record for record in self.steps}.values())

    @property
    def is_empty(self) -> bool:
        return not (self.steps or self.events or self.ending or self.parking)

    @property
    def has_progress(self) -> bool:
        """Whether a call or a step finished, or the run ended or was parked. A start does not count."""
        is_over = self.ending is not None or self.parking is not None
        return is_over or any(record.has_progress for record in self.steps)

    def add(self, record: StepRecord, event: Event) -> None:
        """Add a step's row and the event about it."""
        self.steps.append(record)
        self.events.append(event)


@dataclass(slots=True)
class _Writing:
    """An entry that is being written."""

    run: ClaimedRun
    entry: JournalEntry
    last_seq: int = 0
    """The `last_seq` of the run's row before the write."""
    ticket: int = 0
    has_ticket: bool = True
    """Whether the run is executed with a ticket."""
    tally: Tally = field(default_factory=Tally)
    plan: Plan | None = None
    """The workspace's plan, if credits are to be reserved."""
    changes: dict[UUID, ReservationChange] = field(default_factory=dict[UUID, ReservationChange])
    """Changes to reservations, by the record ids of the steps."""


class _TicketsLost(Exception):
    """Another worker has reclaimed the tickets of some runs. Nothing is written."""

    def __init__(self, run_ids: Collection[UUID]) -> None:
        super().__init__()
        self.run_ids = run_ids


class Journal:
    """Claims runs and writes their progress."""

    def __init__(
        self,
        database: Database,
        admission: Admission,
        queue: TicketQueue,
        outbox: Outbox | None,
    ) -> None:
        self._database = database
        self._admission = admission
        self._queue = queue
        self._outbox = outbox
        self._claiming = WriteBatcher(database, partial(self._claim_together, statements.CLAIM))
        self._claiming_again = WriteBatcher(
            database, partial(self._claim_together, statements.CLAIM_AGAIN)
        )
        self._writing = WriteBatcher(database, self._write_together)

    async def claim(
        self, run_id: UUID, held: int | None = None, *, again: bool = False
    ) -> ClaimedRun | None:
        """Claim a run and load its recorded steps; None if the run waits or has ended.

        Their values must be read before they are used; see `recorded_values`.

        Args:
            run_id: the run.
            held: claim the run only if this is still its latest claim; otherwise return None.
            again: this process has claimed the run before, so that its earlier claim does not count as a crash.

        Raises:
            StoreUnavailable: it is unknown whether the claim was committed; claim the run again.
        """
        if held is not None:
            found = await self._claim_held(statements.CLAIM_HELD, [run_id], {"held": held})
            return found.get(run_id)
        # After an outage of the store, all runs of this process are claimed again at once.
        claiming = self._claiming_again if again else self._claiming
        return await claiming.add(run_id, run_id)

    async def release(self, claims: Mapping[UUID, int], patience: float) -> None:
        """Record that this process gives up these claims, so that they do not count as crashes.

        Args:
            claims: claim numbers by run id.
            patience: seconds to wait for the database.

        Raises:
            StoreUnavailable: the claims could not be released.
        """
        if claims:
            rows = [{"row_id": run_id, "held": claim} for run_id, claim in sorted(claims.items())]
            async with self._database.transaction(patience) as session:
                await session.execute(statements.RELEASE, rows)

    async def _claim_together(
        self, statement: sa.Executable, wanted: Sequence[UUID]
    ) -> list[ClaimedRun | None]:
        found = await self._claim_held(statement, wanted, {})
        return [found.get(run_id) for run_id in wanted]

    async def _claim_held(
        self, statement: sa.Executable, wanted: Sequence[UUID], parameters: Mapping[str, Any]
    ) -> dict[UUID, ClaimedRun]:
        """Claim runs, except those whose tickets another worker has reclaimed from this one."""
        ids = list(wanted)
        while True:
            try:
                async with self._database.transaction() as session:
                    return await self._claim(session, statement, {"ids": ids, **parameters})
            except _TicketsLost as error:
                log.info("run_claims_refused", run_ids=[str(each) for each in error.run_ids])
                ids = [each for each in ids if each not in error.run_ids]

    async def _claim(
        self, session: Session, statement: sa.Executable, parameters: Mapping[str, Any]
    ) -> dict[UUID, ClaimedRun]:
        now = clock.now()
        rows = (await session.execute(statement, {**parameters, "now": now})).all()
        # The rows are locked now, so a worker that reclaims a ticket later claims its run after this transaction.
        if lost := await tickets.lost(session, [Ticket(row.id, row.ticket) for row in rows]):
            raise _TicketsLost({ticket.subject_id for ticket in lost})
        found = {row.id: claimed(row) for row in rows}
        begun = [
            RunLog(row.id, row.workspace_id, row.last_seq - 1, [_running(row)])
            for row in rows
            if row.claim == row.ticket
        ]
        if begun:
            await self._admission.append_many(session, begun)
        # A retry has recorded steps before its first claim.
        known = {row.id: found[row.id] for row in rows if row.claim > 1 or row.has_reused}
        await reading.load(session, known)
        await operations.load(session, known.values())
        await reservations.settle_lost(session, known.values())
        return found

    async def write(self, run: ClaimedRun, entry: JournalEntry) -> None:
        """Write an entry. If it ends or parks the run, finish the run's ticket, too.

        Raises:
            ClaimLost: this worker no longer holds the run; nothing was written.
            StoreUnavailable: if it `was_answered`, nothing was written. Otherwise, it is unknown; claim the run again.
        """
        added: list[Event] = []
        if entry.ending is not None:
            added.append(_ended(entry.ending))
        if entry.parking is not None:
            wake_at = clock.iso(entry.parking.wake_at)
            added.append(events.run_status(RunStatus.WAITING, until=wake_at))
        # A copy, because the caller can write the entry again after a failure.
        complete = replace(entry, events=[*entry.events, *added])
        await self._writing.add(_Writing(run, complete), run.workspace_id)

    async def _write_together(self, batch: Sequence[_Writing]) -> list[ClaimLost | None]:
        async with self._database.transaction(PATIENT_SECONDS) as session:
            ours = await _hold(session, batch, self._admission.plans)
            written = await self._write_held(session, ours) if ours else None
        if written is not None:
            written.is_durable()
        for writing in ours:
            _written(writing)
        held = {id(writing) for writing in ours}
        return [None if id(each) in held else ClaimLost(each.run.id) for each in batch]

    async def _write_held(self, session: Session, ours: Sequence[_Writing]) -> operations.Written:
        ending = [writing for writing in ours if writing.entry.ending is not None]
        parking = [writing for writing in ours if writing.entry.parking is not None]
        await _advance(session, ours)
        await _write_steps(session, ours)
        written = await operations.write_many(
            session, [(each.run.id, step) for each in ours for step in each.entry.distinct_steps]
        )
        logs = [
            RunLog(each.run.id, each.run.workspace_id, each.last_seq, each.entry.events)
            for each in ours
            if each.entry.events
        ]
        if logs:
            await self._admission.append_many(session, logs)
        if done := ending + parking:
            held = [Ticket(each.run.id, each.ticket) for each in done if each.has_ticket]
            await tickets.finish(session, held)
        if ending:
            await self._admission.traces.add(session, [each.run.id for each in ending])
        asked = await reviews.open_many(
            session, [(each.run, each.entry.parking) for each in parking if each.entry.parking]
        )
        if self._outbox is not None:
            for run, review in asked:
                await self.send(session, await self._outbox.review_requested(session, run, review))
            for each in ending:
                assert each.entry.ending is not None  # noqa: S101 - `ending` has only such entries
                sent = await self._outbox.run_ended(session, each.run, each.entry.ending)
                await self.send(session, sent)
        await self._count(session, ours)
        return written

    async def _count(self, session: Session, ours: Sequence[_Writing]) -> None:
        used_up: list[usage.Used] = []
        now = clock.now()
        for each in ours:
            run, entry, tally = each.run, each.entry, each.tally
            for record in entry.distinct_steps:
                tally.add_meter(record.model, record.meter.since(record.stored_meter), run.models)
            if entry.ending is not None and not run.is_draft:
                tally.add_run(entry.ending.status)
            at = now if entry.ending is None else entry.ending.at
            used_up.append(usage.Used(run.workspace_id, run.pipeline_id, run.caller_id, tally, at))
        releases, asking = _releases(ours), _asking(ours)
        for workspace_id in sorted({*releases, *asking}):
            if workspace_id in releases:
                await self._admission.release(session, workspace_id, releases[workspace_id], now)
            if workspace_id in asking:
                plan, changes = asking[workspace_id]
                await reservations.reserve(session, workspace_id, changes, plan, now)
        await usage.add_many(session, used_up)

    async def send(self, session: Session, recorded: Sequence[NewDelivery]) -> None:
        """Enqueue recorded deliveries in the caller's transaction."""
        if recorded:
            wanted = [(each.id, each.ticket, each.priority) for each in recorded]
            await self._queue.enqueue_many(session, wanted, Queue.DELIVERIES)

    async def count_cancelled(self, run: ClaimedRun, record: StepRecord) -> None:
        """Add the usage of a cancelled step up to the moment it was stopped. Its status does not change."""
        # Only for the claim that the cancel ended: other workers count their own usage. The run is locked before its
        # step, as `settle_left_over` does.
        ours = sa.select(runs.c.id).where(runs.c.id == run.id, runs.c.claim == run.claim + 1)
        async with self._database.transaction(PATIENT_SECONDS) as session:
            if (await session.execute(ours.with_for_update())).one_or_none() is None:
                return
            columns = used(record.meter)
            found = await session.execute(
                sa.select(run_steps.c.reserved_tokens, *(run_steps.c[name] for name in columns))
                .where(run_steps.c.id == record.id, run_steps.c.status == StepStatus.CANCELLED)
                .with_for_update()
            )
            if (row := found.one_or_none()) is None:
                return
            reserved, *stored = row
            # `settle_left_over` has counted the call if its reservation is gone. If the response to the last write was
            # lost, the row has the usage already.
            is_settled = reserved < record.reservation.held
            is_counted = is_settled or stored == list(columns.values())
            used_since = Meter() if is_counted else record.meter.since(record.stored_meter)
            if not is_counted:
                await session.execute(
                    run_steps.update().where(run_steps.c.id == record.id).values(columns)
                )
            record.cancel_operations(clock.now())
            await operations.find_stored(session, record)
            await operations.write_many(session, [(run.id, record)])
            await session.execute(statements.MOVE, [statements.moved(run.id, 0, [used_since])])
            tally, now = Tally(), clock.now()
            tally.add_meter(record.model, used_since, run.models)
            await usage.count_credits(session, run.workspace_id, tally.credit_tokens, now)
            await reservations.release_cancelled(session, run, record)
            counted = usage.Used(run.workspace_id, run.pipeline_id, run.caller_id, tally, now)
            await usage.add_many(session, [counted])
            run.models |= tally.models
            session.after_commit(lambda: self._admission.publish_change(run.workspace_id, run.id))


async def _hold(session: Session, batch: Sequence[_Writing], plans: Plans) -> list[_Writing]:
    """Lock the runs of a batch; returns the entries whose workers still hold their runs."""
    asks = any(reservations.wants(record) for each in batch for record in each.entry.steps)
    statement = statements.HOLD_WITH_PLAN if asks else statements.HOLD
    rows = await session.execute(statement, {"ids": [each.run.id for each in batch]})
    found = {row.id: row for row in rows}
    ours: list[_Writing] = []
    for each in batch:
        row = found.get(each.run.id)
        if row is None or row.claim != each.run.claim or row.status != RunStatus.RUNNING:
            continue
        each.last_seq, each.ticket, each.tally = row.last_seq, row.ticket, Tally()
        each.has_ticket = row.executor is None
        each.plan = plans.get(row.plan) if asks else None
        limit = None if each.plan is None else each.plan.credits_per_month
        changes = (reservations.change(record, limit) for record in each.entry.distinct_steps)
        each.changes = {change.record.id: change for change in changes if change is not None}
        ours.append(each)
    return ours


def _releases(ours: Sequence[_Writing]) -> dict[UUID, Release]:
    """The slots, reservations and credits that a batch settles, by workspace."""
    found: defaultdict[UUID, Release] = defaultdict(Release)
    for each in ours:
        entry, workspace_id = each.entry, each.run.workspace_id
        if entry.ending is not None or entry.parking is not None:
            found[workspace_id].add_run(is_held=each.ticket == HELD)
        released = sum(change.released for change in each.changes.values())
        if released or each.tally.credit_tokens:
            found[workspace_id].reserved_tokens += released
            found[workspace_id].credit_tokens += each.tally.credit_tokens
    return found


def _asking(
    ours: Sequence[_Writing],
) -> dict[UUID, tuple[Plan, list[ReservationChange]]]:
    """The plan and the requested reservations of each workspace in a batch."""
    found: dict[UUID, tuple[Plan, list[ReservationChange]]] = {}
    for each in ours:
        asking = [change for change in each.changes.values() if change.asked]
        if asking and each.plan is not None:
            found.setdefault(each.run.workspace_id, (each.plan, []))[1].extend(asking)
    return found


async def _advance(session: Session, ours: Sequence[_Writing]) -> None:
    moved: list[dict[str, Any]] = []
    parked: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    large: list[dict[str, Any]] = []
    for each in ours:
        entry = each.entry
        used_since = [record.meter.since(record.stored_meter) for record in entry.distinct_steps]
        values = statements.moved(
            each.run.id, len(entry.events), used_since, has_progress=entry.has_progress
        )
        if entry.parking is not None:
            parked.append({**values, "wake_at": entry.parking.wake_at})
            continue
        if entry.ending is None:
            moved.append(values)
            continue
        inline, output = split_large(entry.ending.output, entry.ending.written)
        values |= {
            "to_status": entry.ending.status,
            "at": entry.ending.at,
            "to_output": inline,
            "to_output_is_large": output is not None,
            "to_error": entry.ending.error,
            "to_failed_steps": entry.ending.failed_steps,
            "to_error_code": entry.ending.error and str(entry.ending.error["code"]),
        }
        ended.append(values)
        if output is not None:
            large.append(_large(each.run.id, each.run.id, output))
    if moved:
        await session.execute(statements.MOVE, moved)
    if parked:
        await session.execute(statements.PARK, parked)
    if ended:
        await session.execute(statements.END, ended)
    if large:
        await session.execute(large_values.insert(), large)


async def _write_steps(session: Session, ours: Sequence[_Writing]) -> None:
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    large: list[dict[str, Any]] = []
    for each in ours:
        for record in each.entry.distinct_steps:
            row, output = step_row(each.run.id, record)
            if (change := each.changes.get(record.id)) is not None:
                row["reserved_tokens"] = change.held
            if output is not None:
                large.append(_large(record.id, each.run.id, output))
            if record.is_stored:
                changed.append({"row_id": row.pop("id"), **row})
            else:
                new.append(row)
            if record.is_stored and record.is_final and record.has_waited:
                await reviews.close(session, each.run.id)
    if new:
        await session.execute(statements.NEW_STEPS, new)
    if changed:
        await session.execute(statements.CHANGE_STEP, changed)
    if large:
        await session.execute(large_values.insert(), large)


def _large(owner_id: UUID, run_id: UUID, value: Json) -> dict[str, Any]:
    return {"owner_id": owner_id, "run_id": run_id, "value": value}


def _written(writing: _Writing) -> None:
    """After the commit: mark the entry's records as stored, and update the metrics."""
    run, entry = writing.run, writing.entry
    run.models |= writing.tally.models
    for record in entry.distinct_steps:
        record.is_stored, record.written = True, None
        record.forget_operations()
        record.stored_meter = replace(record.meter)
        if (change := writing.changes.get(record.id)) is not None:
            change.is_durable()
        if record.status in FINAL_STEP_STATUSES:
            metrics.steps_ended.labels(record.type, record.status).inc()
    if entry.ending is not None:
        count_end(entry.ending.status, run.trigger_type, run.started_at, entry.ending.at)


def _running(row: sa.Row[Any]) -> Event:
    # After a wait, `started_at` is the time of the first claim.
    return events.run_status(RunStatus.RUNNING, started_at=clock.iso(row.started_at))


def _ended(ending: Ending) -> Event:
    facts: events.RunStatusFacts = {"completed_at": clock.iso(ending.at)}
    if ending.error is not None:
        facts["error"] = ending.error
    if ending.failed_steps:
        facts["failed_steps"] = ending.failed_steps
    return events.run_status(ending.status, **facts)
