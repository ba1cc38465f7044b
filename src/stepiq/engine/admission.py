"""Who may run now: accepting runs, ending them, and passing a freed slot on.

A workspace below its cap gets a ticket with each run; at its cap, the run is accepted without one and the
end of one of its runs hands the slot to the oldest that waits. The counters on the workspace's row make
both decisions without a scan.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock, metrics
from stepiq.core.errors import Conflict, StepIQError
from stepiq.engine import events, usage
from stepiq.engine.events import Event
from stepiq.engine.limits import PlanBook, PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.engine.records import NewRun
from stepiq.engine.usage import Tally
from stepiq.store.changes import RUN_CANCELLED, Changes, run_topic
from stepiq.store.database import Session
from stepiq.store.states import FINAL_RUN_STATUSES, RunStatus, StepStatus
from stepiq.store.tables import run_events, run_steps, runs, workspaces

# When a plan has been raised, more slots than the one that was freed are free. Each end fills this many, so that the work of
# one transaction stays small and all are filled soon.
_FILLED_BY_AN_END = 2
_FILLED_AT_ONCE = 500


class RunNotCancellable(Conflict):
    """The run ended before it could be cancelled."""

    code = "run_already_finished"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"Run {run_id} has already finished.", run_id=run_id)


_SLOTS = (workspaces.c.unfinished_runs, workspaces.c.admitted_runs, workspaces.c.plan)


class Tickets(Protocol):
    """The durable queue, as far as admission needs it."""

    async def enqueue(self, session: Session, subject_id: UUID, number: int, priority: int) -> None:
        """Put ticket `number` of a run into the queue, in this transaction; lower priorities go first."""
        ...

    async def enqueue_many(
        self, session: Session, tickets: Sequence[tuple[UUID, int, int]]
    ) -> None:
        """Do as `enqueue` for several: run, number and priority of each."""
        ...


class _Accepted(NamedTuple):
    """A run that has been counted in, and the workspace's counters as they were then, itself included."""

    run: NewRun
    unfinished: int
    held: int


def count_end(status: RunStatus, trigger: str, started: datetime | None, ended: datetime) -> None:
    """Count the end of a run, once it is durable."""
    metrics.runs_ended.labels(status, trigger).inc()
    if started is not None:
        metrics.run_duration.labels(status).observe((ended - started).total_seconds())


class Admission:
    """Accepts and cancels runs inside the caller's transaction."""

    def __init__(self, changes: Changes, tickets: Tickets, plans: PlanBook) -> None:
        self._changes = changes
        self._tickets = tickets
        self._plans = plans

    async def accept(self, session: Session, run: NewRun) -> None:
        """Insert a run, its first event and, below the cap, its ticket. A run that is refused is counted nowhere.

        Raises:
            PlanRunsExhausted: the workspace has started all runs that its plan allows a day.
            PlanCreditsExhausted: the run needs credits, and none are left this month.
            QueueFull: too many of the workspace's runs wait already.
        """
        (refusal,) = await self.accept_many(session, [run])
        if refusal is not None:
            raise refusal

    async def accept_many(
        self, session: Session, wanted: Sequence[NewRun]
    ) -> list[StepIQError | None]:
        """Accept several runs, each as `accept` does, and say of each why it was refused; None if it was not."""
        now = clock.now()
        refusals: list[StepIQError | None] = [None] * len(wanted)
        accepted: list[_Accepted] = []
        # Workspaces in one order everywhere, so that two who accept for several never wait for each other.
        for place in sorted(range(len(wanted)), key=lambda place: wanted[place].workspace_id):
            run = wanted[place]
            counted = await self._count_in(session, run, now)
            if isinstance(counted, StepIQError):
                refusals[place] = counted
            else:
                accepted.append(_Accepted(run, *counted))
        if accepted:
            await self._insert(session, accepted, now)
            await self._hand_out(session, accepted)
        return refusals

    async def _insert(
        self, session: Session, accepted: Sequence["_Accepted"], now: datetime
    ) -> None:
        rows = [
            {
                "id": run.id,
                "workspace_id": run.workspace_id,
                "pipeline_id": run.pipeline_id,
                "pipeline_version": run.pipeline_version,
                "trigger_type": run.trigger_type,
                "status": RunStatus.PENDING,
                "input_data": run.input_data,
                "retry_of": run.retry_of,
                "schedule_id": run.schedule_id,
                "ticket": 0 if held else 1,
                "last_seq": 1,
                "deadline_at": now + run.timeout,
                "created_at": now,
            }
            for run, _, held in accepted
        ]
        await session.execute(runs.insert(), rows if len(rows) > 1 else rows[0])
        for run, _, _ in accepted:
            session.after_commit(metrics.runs_accepted.labels(run.trigger_type).inc)
        news = [events.run_status(RunStatus.PENDING)]
        await self._append(session, [(run.id, 0, news) for run, _, _ in accepted])

    async def _hand_out(self, session: Session, accepted: Sequence["_Accepted"]) -> None:
        tickets = [(run.id, 1, unfinished) for run, unfinished, held in accepted if not held]
        if tickets:
            await self._tickets.enqueue_many(session, tickets)
        held_back: dict[UUID, list[_Accepted]] = {}
        for one in accepted:
            if one.held:
                held_back.setdefault(one.run.workspace_id, []).append(one)
        for workspace_id, group in held_back.items():
            # There is room where the plan has been raised since somebody was held.
            run, unfinished, held = group[-1]
            limit = run.plan.runs_at_once
            await self._fill(session, workspace_id, unfinished - held, held, limit, len(group))

    async def _count_in(
        self, session: Session, run: NewRun, now: datetime
    ) -> tuple[int, int] | StepIQError:
        # Nobody passes a held run, also where the plan has been raised since: "somebody is held, this run included"
        # and "this run is held" are the same.
        plan = run.plan
        admitted, unfinished = workspaces.c.admitted_runs, workspaces.c.unfinished_runs
        has_slot = admitted == unfinished
        if plan.runs_at_once is not None:
            has_slot = sa.and_(has_slot, admitted < plan.runs_at_once)
        conditions = [workspaces.c.id == run.workspace_id]
        if plan.runs_queued is not None:
            conditions.append(sa.or_(has_slot, unfinished - admitted < plan.runs_queued))
        if plan.runs_per_day is not None:
            conditions.append(usage.runs_today(now) < plan.runs_per_day)
        if run.spends_credits and plan.credits_per_month is not None:
            most = plan.credits_per_month * usage.TOKENS_PER_CREDIT
            conditions.append(usage.credit_tokens(now) < most)
        row = (
            await session.execute(
                workspaces.update()
                .where(*conditions)
                .values(
                    unfinished_runs=unfinished + 1,
                    admitted_runs=sa.case((has_slot, admitted + 1), else_=admitted),
                    runs_day=usage.day_of(now),
                    runs_today=usage.runs_today(now) + 1,
                )
                .returning(unfinished, admitted)
            )
        ).one_or_none()
        if row is None:
            return await self._refusal(session, run, now)
        return row.unfinished_runs, row.unfinished_runs - row.admitted_runs

    async def _refusal(self, session: Session, run: NewRun, now: datetime) -> StepIQError:
        plan = run.plan
        row = (
            await session.execute(
                sa.select(
                    usage.runs_today(now).label("started"), usage.credit_tokens(now).label("tokens")
                ).where(workspaces.c.id == run.workspace_id)
            )
        ).one()
        if plan.runs_per_day is not None and row.started >= plan.runs_per_day:
            return PlanRunsExhausted(plan.name, plan.runs_per_day)
        limit = plan.credits_per_month
        if run.spends_credits and usage.credits_remaining(limit, row.tokens) == 0:
            return PlanCreditsExhausted(plan.name, limit or 0)
        return QueueFull(plan.runs_queued or 0)

    async def cancel(self, session: Session, workspace_id: UUID, run_id: UUID) -> None:
        """End a run that has not ended; whoever works on it hears of it after the commit.

        Raises:
            RunNotCancellable: it has ended.
        """
        now = clock.now()
        stopped = (
            await session.execute(
                run_steps.update()
                .where(
                    run_steps.c.run_id == run_id,
                    run_steps.c.status.in_((StepStatus.RUNNING, StepStatus.WAITING)),
                )
                .values(status=StepStatus.CANCELLED, completed_at=now)
                .returning(run_steps.c.step_id, run_steps.c.iteration)
            )
        ).all()
        news = [
            events.step_status(StepStatus.CANCELLED, row.step_id, row.iteration) for row in stopped
        ]
        news.append(events.run_status(RunStatus.CANCELLED, completed_at=clock.iso(now)))
        row = (
            await session.execute(
                runs.update()
                .where(
                    runs.c.id == run_id,
                    runs.c.workspace_id == workspace_id,
                    runs.c.status.not_in(FINAL_RUN_STATUSES),
                )
                .values(
                    status=RunStatus.CANCELLED,
                    completed_at=now,
                    claim=runs.c.claim + 1,
                    last_seq=runs.c.last_seq + len(news),
                )
                .returning(
                    runs.c.last_seq,
                    runs.c.ticket,
                    runs.c.pipeline_id,
                    runs.c.trigger_type,
                    runs.c.started_at,
                )
            )
        ).one_or_none()
        if row is None:
            raise RunNotCancellable(run_id)
        await self.append(session, run_id, row.last_seq - len(news), news)
        tally = Tally()
        tally.add_run(RunStatus.CANCELLED)
        await self.release(session, workspace_id, tally, now, held=row.ticket == 0)
        await usage.add(session, workspace_id, row.pipeline_id, tally, now)
        session.after_commit(lambda: self._changes.publish(RUN_CANCELLED, str(run_id)))
        trigger, started = row.trigger_type, row.started_at
        session.after_commit(lambda: count_end(RunStatus.CANCELLED, trigger, started, now))

    async def release(
        self, session: Session, workspace_id: UUID, tally: Tally, now: datetime, *, held: bool
    ) -> None:
        """Count a run out, unless it was `held` without a slot hand its slot to the oldest that waits, and count credits.

        The slot is kept back where the workspace's plan has been lowered and more run than it allows.
        """
        row = (
            await session.execute(
                workspaces.update()
                .where(workspaces.c.id == workspace_id)
                .values(
                    unfinished_runs=workspaces.c.unfinished_runs - 1,
                    admitted_runs=workspaces.c.admitted_runs - (0 if held else 1),
                    **usage.credits_counted(tally.credit_tokens, now),
                )
                .returning(*_SLOTS)
            )
        ).one()
        if not held and row.unfinished_runs > row.admitted_runs:
            await self._fill_by_plan(session, workspace_id, row, _FILLED_BY_AN_END)

    async def fill(self, session: Session, workspace_id: UUID) -> None:
        """Give waiting runs the slots that a plan just raised has for them, up to 500; ends of runs give the others."""
        row = (
            await session.execute(
                sa.select(*_SLOTS)
                .where(workspaces.c.id == workspace_id)
                .with_for_update(key_share=True)
            )
        ).one()
        await self._fill_by_plan(session, workspace_id, row, _FILLED_AT_ONCE)

    async def _fill_by_plan(
        self, session: Session, workspace_id: UUID, row: sa.Row[Any], most: int
    ) -> None:
        held = row.unfinished_runs - row.admitted_runs
        limit = self._plans.get(row.plan).runs_at_once
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
        for number in range(min(free, most)):
            await self._admit_oldest(session, workspace_id, admitted + number + 1)

    async def _admit_oldest(self, session: Session, workspace_id: UUID, priority: int) -> None:
        run_id = await session.scalar(
            sa.select(runs.c.id)
            .where(
                runs.c.workspace_id == workspace_id,
                runs.c.ticket == sa.literal_column("0"),
                runs.c.status == sa.literal_column("'pending'"),
            )
            .order_by(runs.c.id)
            .limit(1)
        )
        if run_id is None:
            return
        await session.execute(runs.update().where(runs.c.id == run_id).values(ticket=1))
        await session.execute(
            workspaces.update()
            .where(workspaces.c.id == workspace_id)
            .values(admitted_runs=workspaces.c.admitted_runs + 1)
        )
        await self._tickets.enqueue(session, run_id, 1, priority)

    async def append(
        self, session: Session, run_id: UUID, last_seq: int, news: list[Event]
    ) -> None:
        """Record events behind `last_seq`, which the caller has moved, and tell listeners after the commit."""
        await self._append(session, [(run_id, last_seq, news)])

    async def _append(
        self, session: Session, logs: Sequence[tuple[UUID, int, list[Event]]]
    ) -> None:
        now = clock.now()
        numbered = [
            (run_id, seq, event)
            for run_id, last_seq, news in logs
            for seq, event in enumerate(news, start=last_seq + 1)
        ]
        await session.execute(
            run_events.insert(),
            [
                {
                    "run_id": run_id,
                    "seq": seq,
                    "type": event.type,
                    "data": event.data,
                    "created_at": now,
                }
                for run_id, seq, event in numbered
            ],
        )

        def tell() -> None:
            for run_id, seq, event in numbered:
                topic = run_topic(run_id)
                self._changes.publish(topic, events.payload(run_id, event, seq, now))

        session.after_commit(tell)
