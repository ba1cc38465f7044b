"""The truth about every run: what was accepted, what was done, how it ended.

Each write is conditional on the claim number: a worker that lost its run changes nothing. Step rows, totals and
events of one moment share one transaction, so that a reader never sees one without the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock, json, metrics
from stepiq.core.json import Json
from stepiq.engine import events, usage
from stepiq.engine.admission import Admission, count_end
from stepiq.engine.events import Event
from stepiq.engine.protocols import Outbox
from stepiq.engine.records import ClaimedRun, Ending, Meter, NewDelivery, StepRecord
from stepiq.engine.tickets import Queue, TicketQueue
from stepiq.engine.usage import Tally
from stepiq.store.database import Database, Session
from stepiq.store.states import FINAL_STEP_STATUSES, RunStatus, StepStatus, TriggerType
from stepiq.store.tables import LARGE_VALUE_BYTES, large_values, run_steps, runs


class ClaimLost(Exception):
    """Somebody else carries the run now, or it was cancelled: stop and change nothing."""


@dataclass(slots=True)
class Entry:
    """What one transaction adds to a run's journal."""

    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    news: list[Event] = field(default_factory=list[Event])
    ending: Ending | None = None

    def add(self, record: StepRecord, event: Event) -> None:
        """Write a step's row and say so."""
        self.steps.append(record)
        self.news.append(event)


class Journal:
    """Reads and writes what runs have done."""

    def __init__(
        self,
        database: Database,
        admission: Admission,
        tickets: TicketQueue,
        outbox: Outbox | None,
    ) -> None:
        self._database = database
        self._admission = admission
        self._tickets = tickets
        self._outbox = outbox

    async def claim(self, run_id: UUID, held: int | None = None) -> ClaimedRun | None:
        """Take a run over and load what it has done; None when there is nothing left to do.

        Args:
            run_id: which.
            held: take it over from this claim only; None when it has another one meanwhile.
        """
        is_held = sa.true() if held is None else runs.c.claim == held
        async with self._database.transaction() as session:
            now = clock.now()
            row = (
                await session.execute(
                    runs.update()
                    .where(
                        runs.c.id == run_id,
                        runs.c.status.in_((RunStatus.PENDING, RunStatus.RUNNING)),
                        is_held,
                    )
                    .values(
                        claim=runs.c.claim + 1,
                        status=RunStatus.RUNNING,
                        started_at=sa.func.coalesce(
                            runs.c.started_at, sa.bindparam("now", now, runs.c.started_at.type)
                        ),
                        last_seq=sa.case(
                            (runs.c.status == RunStatus.PENDING, runs.c.last_seq + 1),
                            else_=runs.c.last_seq,
                        ),
                    )
                    .returning(*_CLAIMED, runs.c.last_seq)
                )
            ).one_or_none()
            if row is None:
                return None
            run = _claimed(row)
            if run.claim == 1:
                started = events.run_status(RunStatus.RUNNING, started_at=clock.iso(now))
                await self._admission.append(session, run_id, row.last_seq - 1, [started])
            else:
                await _load_steps(session, run)
            return run

    async def write(self, run: ClaimedRun, entry: Entry) -> None:
        """Add an entry, in one transaction.

        Raises:
            ClaimLost: the run is no longer this worker's; nothing was written.
            StoreUnavailable: nothing is known of whether it was written; claim the run again.
        """
        if entry.ending is not None:
            entry.news.append(_ended(entry.ending))
        async with self._database.transaction() as session:
            last_seq, ticket = await self._advance(session, run, entry)
            await self._write_steps(session, run, entry.steps)
            await self._admission.append(session, run.id, last_seq - len(entry.news), entry.news)
            if entry.ending is not None:
                await _store_large(session, run.id, run.id, entry.ending.output)
            tally = await self._count(session, run, entry, held=ticket == 0)
            if entry.ending is not None and self._outbox is not None:
                await self.send(session, await self._outbox.run_ended(session, run, entry.ending))
        run.models |= tally.models
        _count_ends(run, entry)
        for record in entry.steps:
            record.is_stored = True
            record.stored_meter = replace(record.meter)

    async def _count(self, session: Session, run: ClaimedRun, entry: Entry, *, held: bool) -> Tally:
        tally = Tally()
        now = clock.now() if entry.ending is None else entry.ending.at
        for record in entry.steps:
            tally.add_meter(record.model, record.meter.since(record.stored_meter), run.models)
        if entry.ending is None:
            await usage.count_credits(session, run.workspace_id, tally.credit_tokens, now)
        else:
            tally.add_run(entry.ending.status)
            await self._admission.release(session, run.workspace_id, tally, now, held=held)
        await usage.add(session, run.workspace_id, run.pipeline_id, tally, now)
        return tally

    async def send(self, session: Session, recorded: Sequence[NewDelivery]) -> None:
        """Put recorded deliveries into their queue in the caller's transaction."""
        if recorded:
            tickets = [(each.id, each.ticket, each.priority) for each in recorded]
            await self._tickets.enqueue_many(session, tickets, Queue.DELIVERIES)

    async def _advance(self, session: Session, run: ClaimedRun, entry: Entry) -> tuple[int, int]:
        values: dict[str, Any] = {"last_seq": runs.c.last_seq + len(entry.news)}
        values |= _totals([record.meter.since(record.stored_meter) for record in entry.steps])
        if entry.ending is not None:
            inline, is_large = _split_large(entry.ending.output)
            values |= {
                "status": entry.ending.status,
                "completed_at": entry.ending.at,
                "output": inline,
                "output_is_large": is_large,
                "error": entry.ending.error,
            }
        row = (
            await session.execute(
                runs.update()
                .where(
                    runs.c.id == run.id,
                    runs.c.claim == run.claim,
                    runs.c.status == RunStatus.RUNNING,
                )
                .values(values)
                .returning(runs.c.last_seq, runs.c.ticket)
            )
        ).one_or_none()
        if row is None:
            raise ClaimLost(run.id)
        return row.last_seq, row.ticket

    async def _write_steps(
        self, session: Session, run: ClaimedRun, records: list[StepRecord]
    ) -> None:
        new = [_row(run.id, record) for record in records if not record.is_stored]
        if new:
            await session.execute(run_steps.insert(), new)
        for record in records:
            if record.is_stored:
                values = _row(run.id, record)
                await session.execute(
                    run_steps.update().where(run_steps.c.id == values.pop("id")).values(values)
                )
            await _store_large(session, run.id, record.id, record.output)

    async def count_cancelled(self, run: ClaimedRun, record: StepRecord) -> None:
        """Add what a cancelled step had used when it was stopped; its status stays as it is."""
        used = record.meter.since(record.stored_meter)
        async with self._database.transaction() as session:
            counted = await session.execute(
                run_steps.update()
                .where(
                    run_steps.c.id == record.id,
                    run_steps.c.status == StepStatus.CANCELLED,
                    # The claim that the cancel took away: others count for themselves what they used.
                    sa.exists().where(runs.c.id == run.id, runs.c.claim == run.claim + 1),
                )
                .values(_used(record))
            )
            if counted.rowcount:
                await session.execute(
                    runs.update().where(runs.c.id == run.id).values(_totals([used]))
                )
                tally, now = Tally(), clock.now()
                tally.add_meter(record.model, used, run.models)
                await usage.count_credits(session, run.workspace_id, tally.credit_tokens, now)
                await usage.add(session, run.workspace_id, run.pipeline_id, tally, now)
                run.models |= tally.models


def _count_ends(run: ClaimedRun, entry: Entry) -> None:
    for record in entry.steps:
        if record.status in FINAL_STEP_STATUSES:
            metrics.steps_ended.labels(record.type, record.status).inc()
    if entry.ending is not None:
        count_end(entry.ending.status, run.trigger_type, run.started_at, entry.ending.at)


async def recorded(session: Session, run_id: UUID) -> ClaimedRun | None:
    """A run as its journal has it, for who only reads. It does not ask whose run it is: the caller has."""
    row = (await session.execute(sa.select(*_CLAIMED).where(runs.c.id == run_id))).one_or_none()
    if row is None:
        return None
    run = _claimed(row)
    await _load_steps(session, run)
    return run


async def _load_steps(session: Session, run: ClaimedRun) -> None:
    large = large_values.c.value.label("large_value")
    rows = await session.execute(
        sa.select(run_steps, large)
        .outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
        .where(run_steps.c.run_id == run.id)
        .order_by(run_steps.c.ordinal)
    )
    for row in rows:
        run.steps[row.step_id] = record = _record(row)
        if record.model is not None and usage.has_used(record.meter):
            run.models.add(record.model)


_CLAIMED = (
    runs.c.id,
    runs.c.workspace_id,
    runs.c.pipeline_id,
    runs.c.pipeline_version,
    runs.c.trigger_type,
    runs.c.input_data,
    runs.c.claim,
    runs.c.started_at,
    runs.c.deadline_at,
)


def _claimed(row: sa.Row[Any]) -> ClaimedRun:
    return ClaimedRun(
        id=row.id,
        workspace_id=row.workspace_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        trigger_type=TriggerType(row.trigger_type),
        input_data=row.input_data,
        claim=row.claim,
        started_at=row.started_at,
        deadline_at=row.deadline_at,
    )


def _ended(ending: Ending) -> Event:
    facts: dict[str, Json] = {"completed_at": clock.iso(ending.at)}
    if ending.error is not None:
        facts["error"] = ending.error
    return events.run_status(ending.status, **facts)


def _totals(meters: list[Meter]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("input_tokens", "cached_tokens", "output_tokens", "credit_tokens"):
        if added := sum(getattr(meter, name) for meter in meters):
            values[name] = runs.c[name] + added
    if cost := sum(meter.cost_usd_micros for meter in meters):
        values["cost_usd_micros"] = runs.c.cost_usd_micros + cost
    if not all(meter.cost_complete for meter in meters):
        values["cost_complete"] = sa.false()
    return values


def _used(record: StepRecord) -> dict[str, Any]:
    meter = record.meter
    return {
        "input_tokens": meter.input_tokens,
        "cached_tokens": meter.cached_tokens,
        "output_tokens": meter.output_tokens,
        "tokens_estimated": meter.tokens_estimated,
        "cost": meter.cost if meter.cost_complete else None,
    }


def _row(run_id: UUID, record: StepRecord) -> dict[str, Any]:
    inline, is_large = _split_large(record.output)
    return {
        "id": record.id,
        "run_id": run_id,
        "step_id": record.step_id,
        "branch": record.branch,
        "iteration": record.iteration,
        "ordinal": record.ordinal,
        "name": record.name,
        "type": record.type,
        "status": record.status,
        "attempts": record.attempts,
        "failures": record.failures,
        "model": record.model,
        "prompt": record.prompt,
        "system_prompt": record.system_prompt,
        "output": inline,
        "output_is_large": is_large,
        "error": record.error,
        "started_at": record.started_at,
        "completed_at": record.completed_at,
        **_used(record),
    }


def _record(row: sa.Row[Any]) -> StepRecord:
    meter = Meter(
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        tokens_estimated=row.tokens_estimated,
        cost=row.cost,
        cost_complete=row.cost is not None or row.input_tokens + row.output_tokens == 0,
    )
    return StepRecord(
        id=row.id,
        step_id=row.step_id,
        name=row.name,
        type=row.type,
        ordinal=row.ordinal,
        iteration=row.iteration,
        branch=row.branch,
        status=StepStatus(row.status),
        attempts=row.attempts,
        failures=row.failures,
        model=row.model,
        prompt=row.prompt,
        system_prompt=row.system_prompt,
        output=row.large_value if row.output_is_large else row.output,
        error=row.error,
        meter=meter,
        started_at=row.started_at,
        completed_at=row.completed_at,
        is_stored=True,
        stored_meter=replace(meter),
    )


def _split_large(value: Json) -> tuple[Json, bool]:
    is_large = value is not None and size_bytes(value) > LARGE_VALUE_BYTES
    return (None if is_large else value), is_large


def size_bytes(value: Json) -> int:
    """How long a value is as JSON text in UTF-8."""
    return len(json.dumps(value).encode())


async def _store_large(session: Session, run_id: UUID, owner_id: UUID, value: Json) -> None:
    if _split_large(value)[1]:
        await session.execute(
            large_values.insert().values(owner_id=owner_id, run_id=run_id, value=value)
        )
