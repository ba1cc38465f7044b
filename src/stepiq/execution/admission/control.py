"""Admission control: accepts, cancels and wakes runs, and assigns slots within the limits of a workspace's plan.

A run of a workspace below its limit gets a ticket on acceptance. At the limit, the run is accepted without a ticket and
held; when a run of the workspace ends, its slot goes to the oldest held run. Both decisions use counters on the
workspace's row, without a scan.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepiq.core import clock
from stepiq.core.errors import StepIQError
from stepiq.core.observability import metrics
from stepiq.execution.admission import direct, retries
from stepiq.execution.admission.direct import CountedRuns, OwnWorker
from stepiq.execution.admission.errors import RunNotCancellable, VersionDeleted
from stepiq.execution.admission.statements import (
    COUNT_IN,
    RELEASE,
    RELEASE_AND_COUNT_CREDITS,
    SEE,
    SLOTS,
    lock_run,
    parameters,
)
from stepiq.execution.definitions import VersionNotFound
from stepiq.execution.limits import usage
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.execution.limits.usage import Tally
from stepiq.execution.records import events, operations, reviews
from stepiq.execution.records.events import Event
from stepiq.execution.records.run import ClaimedRun, NewRun
from stepiq.execution.records.trace_queue import TraceQueue
from stepiq.store.connections import faults
from stepiq.store.database import Session
from stepiq.store.pubsub import RUN_CANCELLED, Changes, run_topic, runs_topic
from stepiq.store.statements import rows as many_rows
from stepiq.store.states import RunStatus, StepStatus, is_draft_version
from stepiq.store.tables import run_events, run_steps, runs, workspaces

# Raising a plan can free more slots than are filled at once. Each run that ends fills two slots, which keeps
# transactions small and still fills all slots soon.
_FILLED_BY_AN_END = 2
_FILLED_AT_ONCE = 500

HELD = 0
"""Ticket number of a run that waits for a slot."""
PARKED = -1
"""Ticket number of a run that waits for a time or a person, and has no slot."""


class Tickets(Protocol):
    """The part of the durable queue that admission uses."""

    async def enqueue_many(
        self, session: Session, tickets: Sequence[tuple[UUID, int, int]]
    ) -> None:
        """Enqueue tickets in this transaction: run, number, and position in the workspace's backlog of each."""
        ...


class RunLog(NamedTuple):
    """Events to append to the log of a run."""

    run_id: UUID
    workspace_id: UUID
    last_seq: int
    """The number of the run's last event before these."""
    events: Sequence[Event]


@dataclass(slots=True)
class Release:
    """Slots and reservations that a workspace gets back, and credits that it pays."""

    runs: int = 0
    slots: int = 0
    """How many of `runs` had a slot; the others were held."""
    credit_tokens: int = 0
    reserved_tokens: int = 0
    """Reserved tokens that calls have used or do not need."""

    def add_run(self, *, is_held: bool) -> None:
        """Add a run that ended or was parked."""
        self.runs += 1
        self.slots += not is_held


def count_end(status: RunStatus, trigger: str, started: datetime | None, ended: datetime) -> None:
    """Update the metrics for a run that ended. Call it after the commit."""
    metrics.runs_ended.labels(status, trigger).inc()
    if started is not None:
        metrics.run_duration.labels(status).observe((ended - started).total_seconds())


class Admission:
    """Accepts and cancels runs inside the caller's transaction."""

    def __init__(
        self, changes: Changes, tickets: Tickets, plans: Plans, traces: TraceQueue
    ) -> None:
        self._changes = changes
        self._tickets = tickets
        self.plans, self.traces = plans, traces
        self.worker: OwnWorker | None = None
        """The worker of this process. Without one, each run that has a slot gets a ticket."""

    async def accept(self, session: Session, run: NewRun) -> None:
        """Insert a run, its first event and, below the limit, its ticket. A refused run is not counted.

        Raises:
            PlanRunsExhausted: the workspace has reached its plan's limit of runs per day.
            PlanCreditsExhausted: the run needs credits, and none are left this month.
            QueueFull: the workspace has reached its plan's limit of waiting runs.
            VersionNotFound: the version was deleted after it had been read.
        """
        try:
            (refusal,) = await self.accept_many(session, [run])
        except VersionDeleted:
            raise VersionNotFound(run.pipeline_id, run.pipeline_version) from None
        if refusal is not None:
            raise refusal

    async def accept_many(
        self, session: Session, wanted: Sequence[NewRun]
    ) -> list[StepIQError | None]:
        """Accept several runs; returns the refusal of each, or None if it was accepted. See `accept`."""
        now = clock.now()
        refusals: dict[UUID, StepIQError] = {}
        entries: list[CountedRuns] = []
        by_workspace = attrgetter("workspace_id")
        # All transactions lock workspaces in the same order, to prevent deadlocks.
        for _, group in groupby(sorted(wanted, key=by_workspace), by_workspace):
            entry, refused = await self._count_in(session, list(group), now)
            refusals |= refused
            if entry is not None:
                entries.append(entry)
        if entries:
            begun = {} if self.worker is None else direct.claim(self.worker, entries, now)
            await self._insert(session, entries, begun)
            await self._hand_out(session, entries, begun)
        return [refusals.get(run.id) for run in wanted]

    async def _insert(
        self,
        session: Session,
        entries: Sequence[CountedRuns],
        begun: Mapping[UUID, ClaimedRun],
    ) -> None:
        accepted = [
            (run, 1 if place < entry.slots else 0)
            for entry in entries
            for place, run in enumerate(entry.runs)
        ]
        rows = [
            {
                "id": run.id,
                "workspace_id": run.workspace_id,
                "pipeline_id": run.pipeline_id,
                "pipeline_version": run.pipeline_version,
                "trigger_type": run.trigger_type,
                "input_data": run.input_data,
                "retry_of": run.retry_of,
                "reused": run.reuse.saved,
                "own_keys": sorted(run.own_keys) or None,
                "schedule_id": run.schedule_id,
                "only_step": run.only_step,
                "caller_type": run.caller and run.caller.type,
                "caller_id": run.caller and run.caller.id,
                "traceparent": run.parent and str(run.parent),
                "ticket": ticket,
                "deadline_at": run.created_at + run.timeout,
                "created_at": run.created_at,
                **direct.columns(begun.get(run.id), self.worker),
            }
            for run, ticket in accepted
        ]
        logs = [
            RunLog(run.id, run.workspace_id, 0, direct.events(begun.get(run.id)))
            for run, _ in accepted
        ]
        try:
            await self.append_many(session, logs, rows)
        except IntegrityError as error:
            if faults.refers_to_nothing(error):
                raise VersionDeleted from error
            raise
        for run, _ in accepted:
            await retries.copy(session, run.id, run.reuse)
        if self.worker is not None:
            for claimed in begun.values():
                session.after_commit(partial(self.worker.begin, claimed))
        for trigger, number in Counter(run.trigger_type for run, _ in accepted).items():
            session.after_commit(partial(metrics.runs_accepted.labels(trigger).inc, number))

    async def _hand_out(
        self,
        session: Session,
        entries: Sequence[CountedRuns],
        begun: Collection[UUID],
    ) -> None:
        tickets = [
            (run.id, 1, entry.unfinished - len(entry.runs) + place)
            for entry in entries
            for place, run in enumerate(entry.runs[: entry.slots], start=1)
            if run.id not in begun
        ]
        if tickets:
            await self._tickets.enqueue_many(session, tickets)
        for entry in entries:
            if most := len(entry.runs) - entry.slots:
                # Slots may be free if the plan was raised after runs were held.
                run, admitted = entry.runs[0], entry.unfinished - entry.held
                limit = run.plan.runs_at_once
                await self._fill(session, run.workspace_id, admitted, entry.held, limit, most)

    async def _count_in(
        self, session: Session, wanted: Sequence[NewRun], now: datetime
    ) -> tuple[CountedRuns | None, dict[UUID, StepIQError]]:
        """Count in the runs of one workspace that its plan allows; returns the refusals of the others by run id."""
        row = (
            await session.execute(COUNT_IN[session.dialect], parameters(wanted, now))
        ).one_or_none()
        refusals: dict[UUID, StepIQError] = {}
        if row is None:
            # They don't all fit; some may.
            wanted, refusals = await self._choose(session, wanted, now)
            if not wanted:
                return None, refusals
            row = (await session.execute(COUNT_IN[session.dialect], parameters(wanted, now))).one()
        held = row.unfinished_runs - row.admitted_runs
        return CountedRuns(wanted, row.unfinished_runs, held, row.has_waiting), refusals

    async def _choose(
        self, session: Session, wanted: Sequence[NewRun], now: datetime
    ) -> tuple[list[NewRun], dict[UUID, StepIQError]]:
        """The first runs that the plan allows. Locks the workspace's counters until the transaction ends."""
        plan = wanted[0].plan
        row = (await session.execute(SEE, parameters(wanted, now))).one()
        has_credits = usage.credits_remaining(plan.credits_per_month, row.tokens) != 0
        allowed: list[NewRun] = []
        refusals: dict[UUID, StepIQError] = {}
        for run in wanted:
            number = len(allowed) + 1
            if plan.runs_per_day is not None and row.today + number > plan.runs_per_day:
                refusals[run.id] = PlanRunsExhausted(plan.name, plan.runs_per_day)
            elif run.spends_credits and not has_credits:
                refusals[run.id] = PlanCreditsExhausted(plan.name, plan.credits_per_month or 0)
            elif number > row.room:
                refusals[run.id] = QueueFull(plan.runs_queued or 0)
            else:
                allowed.append(run)
        return allowed, refusals

    async def cancel(self, session: Session, workspace_id: UUID, run_id: UUID) -> None:
        """Cancel a run. Its worker is notified after the commit.

        Raises:
            RunNotCancellable: the run has already ended.
        """
        now = clock.now()
        # A write of the run's worker may be in progress. It has to be seen, or refused.
        status = await lock_run(session, workspace_id, run_id)
        if status is None or status.is_final:
            raise RunNotCancellable(run_id)
        stopped = (
            await session.execute(
                run_steps.update()
                .where(
                    run_steps.c.run_id == run_id,
                    run_steps.c.status.in_((StepStatus.RUNNING, StepStatus.WAITING)),
                )
                .values(status=StepStatus.CANCELLED, completed_at=now)
                .returning(
                    run_steps.c.id, run_steps.c.step_id, run_steps.c.branch, run_steps.c.iteration
                )
            )
        ).all()
        await operations.cancel(session, [row.id for row in stopped], now)
        new_events: list[Event] = [
            events.step_status(
                StepStatus.CANCELLED, events.execution(row.step_id, row.branch, row.iteration)
            )
            for row in stopped
        ]
        new_events.append(events.run_status(RunStatus.CANCELLED, completed_at=clock.iso(now)))
        row = (
            await session.execute(
                runs.update()
                .where(runs.c.id == run_id)
                .values(
                    status=RunStatus.CANCELLED,
                    completed_at=now,
                    wake_at=None,
                    claim=runs.c.claim + 1,
                    last_seq=runs.c.last_seq + len(new_events),
                )
                .returning(
                    runs.c.last_seq,
                    runs.c.ticket,
                    runs.c.pipeline_id,
                    runs.c.pipeline_version,
                    runs.c.trigger_type,
                    runs.c.caller_id,
                    runs.c.started_at,
                )
            )
        ).one()
        log = RunLog(run_id, workspace_id, row.last_seq - len(new_events), new_events)
        await self.append_many(session, [log])
        await self.traces.add_cancelled(session, run_id, now)
        tally, release = Tally(), Release()
        if not is_draft_version(row.pipeline_version):
            tally.add_run(RunStatus.CANCELLED)
        await reviews.close(session, run_id)
        # A parked run has no slot; it was counted out when it was parked.
        if row.ticket != PARKED:
            release.add_run(is_held=row.ticket == HELD)
            await self.release(session, workspace_id, release, now)
        used = usage.Used(workspace_id, row.pipeline_id, row.caller_id, tally, now)
        await usage.add_many(session, [used])
        session.after_commit(lambda: self._changes.publish(RUN_CANCELLED, str(run_id)))
        trigger, started = row.trigger_type, row.started_at
        session.after_commit(lambda: count_end(RunStatus.CANCELLED, trigger, started, now))

    async def wake(self, session: Session, waiting: Sequence[tuple[UUID, UUID]]) -> None:
        """Resume runs that waited for a time or a person; each continues as soon as its workspace has a slot.

        Args:
            session: the transaction, which has locked these runs.
            waiting: run id and workspace id of each.
        """
        found = [run_id for run_id, _ in waiting]
        rows = await session.execute(
            runs.update()
            .where(runs.c.id.in_(found), runs.c.status == RunStatus.WAITING)
            .values(
                status=RunStatus.PENDING, ticket=HELD, wake_at=None, last_seq=runs.c.last_seq + 1
            )
            .returning(runs.c.id, runs.c.workspace_id, runs.c.last_seq)
        )
        woken = rows.all()
        new_events = [events.run_status(RunStatus.PENDING)]
        if woken:
            logs = [RunLog(row.id, row.workspace_id, row.last_seq - 1, new_events) for row in woken]
            await self.append_many(session, logs)
        counted = Counter(row.workspace_id for row in woken)
        for workspace_id in sorted(counted):
            row = (
                await session.execute(
                    workspaces.update()
                    .where(workspaces.c.id == workspace_id)
                    .values(unfinished_runs=workspaces.c.unfinished_runs + counted[workspace_id])
                    .returning(*SLOTS)
                )
            ).one()
            await self._fill_by_plan(session, workspace_id, row, _FILLED_AT_ONCE)

    async def release(
        self, session: Session, workspace_id: UUID, release: Release, now: datetime
    ) -> None:
        """Count runs out, give their slots to the oldest held runs, and count credits.

        If the plan was lowered and more runs are admitted than it allows, the slots are not given out.
        """
        values = {
            "workspace": workspace_id,
            "runs": release.runs,
            "slots": release.slots,
            "reserved": release.reserved_tokens,
        }
        statement = RELEASE
        if release.credit_tokens:
            values |= {"more_credits": release.credit_tokens, **usage.months(now)}
            statement = RELEASE_AND_COUNT_CREDITS
        row = (await session.execute(statement, values)).one()
        if release.slots and row.unfinished_runs > row.admitted_runs:
            await self._fill_by_plan(session, workspace_id, row, _FILLED_BY_AN_END * release.slots)

    async def fill(self, session: Session, workspace_id: UUID) -> None:
        """Give held runs the slots of a raised plan, up to 500; the remaining slots are filled as runs end."""
        row = (
            await session.execute(
                sa.select(*SLOTS)
                .where(workspaces.c.id == workspace_id)
                .with_for_update(key_share=True)
            )
        ).one()
        await self._fill_by_plan(session, workspace_id, row, _FILLED_AT_ONCE)

    async def _fill_by_plan(
        self, session: Session, workspace_id: UUID, row: sa.Row[Any], most: int
    ) -> None:
        held = row.unfinished_runs - row.admitted_runs
        limit = self.plans.get(row.plan).runs_at_once
        await self._fill(session, workspace_id, row.admitted_runs, held, limit, most)

    async def _fill(
        self,
        session: Session,
        workspace_id: UUID,
        admitted: int,
        held: int,
        limit: int | None,
        most: int,
    ) -> None:
        free = held if limit is None else min(held, limit - admitted)
        if min(free, most) <= 0:
            return
        oldest = (
            await session.execute(
                sa.select(runs.c.id, runs.c.claim)
                .where(
                    runs.c.workspace_id == workspace_id,
                    runs.c.ticket == sa.literal_column("0"),
                    runs.c.status == sa.literal_column("'pending'"),
                )
                .order_by(runs.c.id)
                .limit(min(free, most))
            )
        ).all()
        if not oldest:
            return
        found = {row.id: row.claim + 1 for row in oldest}
        await session.execute(
            runs.update().where(runs.c.id.in_(found)).values(ticket=runs.c.claim + 1)
        )
        await session.execute(
            workspaces.update()
            .where(workspaces.c.id == workspace_id)
            .values(admitted_runs=workspaces.c.admitted_runs + len(found))
        )
        tickets = [
            (run_id, number, position)
            for position, (run_id, number) in enumerate(found.items(), admitted + 1)
        ]
        await self._tickets.enqueue_many(session, tickets)

    async def append_many(
        self, session: Session, logs: Sequence[RunLog], new_runs: many_rows.Rows = ()
    ) -> None:
        """Record events of runs. After the commit, publish them, and that these runs have changed.

        Args:
            session: the transaction.
            logs: the events. The caller updates `last_seq` in the rows of the runs.
            new_runs: rows of runs to insert before their events.
        """
        now = clock.now()
        numbered = [
            (log.run_id, seq, event)
            for log in logs
            for seq, event in enumerate(log.events, start=log.last_seq + 1)
        ]
        rows = [
            {
                "run_id": run_id,
                "seq": seq,
                "type": event.type,
                "data": event.data,
                "created_at": now,
            }
            for run_id, seq, event in numbered
        ]
        await many_rows.insert_all(session, (runs, new_runs), (run_events, rows))

        def publish() -> None:
            for run_id, seq, event in numbered:
                topic = run_topic(run_id)
                self._changes.publish(topic, events.payload(run_id, event, seq, now))
            for log in logs:
                self.publish_change(log.workspace_id, log.run_id)

        session.after_commit(publish)

    def publish_change(self, workspace_id: UUID, run_id: UUID) -> None:
        """Publish that the row of a run has changed. Call it after the commit."""
        self._changes.publish(runs_topic(workspace_id), str(run_id))
