"""Who may run now: accepting runs, ending them, and passing a freed slot on.

A workspace below its cap gets a ticket with each run; at its cap, the run is accepted without one and the
end of one of its runs hands the slot to the oldest that waits. The counters on the workspace's row make
both decisions without a scan.
"""

from typing import Protocol
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.errors import Conflict, LimitReached
from stepiq.engine import events
from stepiq.engine.events import Event
from stepiq.engine.records import NewRun
from stepiq.store.changes import RUN_CANCELLED, Changes, run_topic
from stepiq.store.database import Session
from stepiq.store.states import FINAL_RUN_STATUSES, RunStatus, StepStatus
from stepiq.store.tables import run_events, run_steps, runs, workspaces


class QueueFull(LimitReached):
    """The workspace has as many runs waiting as its plan allows."""

    code = "queue_full"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} runs wait already, the most this workspace's plan allows. Wait for some to "
            "finish or cancel some; an operator raises the limit with `stepiq users set-plan`.",
            limit=limit,
        )


class RunNotCancellable(Conflict):
    """The run ended before it could be cancelled."""

    code = "run_already_finished"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"Run {run_id} has already finished.", run_id=run_id)


class Tickets(Protocol):
    """The durable queue, as far as admission needs it."""

    async def enqueue(self, session: Session, subject_id: UUID, number: int, priority: int) -> None:
        """Put ticket `number` of a run into the queue, in this transaction; lower priorities go first."""
        ...


class Admission:
    """Accepts and cancels runs inside the caller's transaction."""

    def __init__(self, changes: Changes, tickets: Tickets) -> None:
        self._changes = changes
        self._tickets = tickets

    async def accept(self, session: Session, run: NewRun) -> None:
        """Insert a run, its first event and, below the cap, its ticket.

        Raises:
            QueueFull: too many of the workspace's runs wait already.
        """
        unfinished, held = await self._count_in(session, run)
        if run.queued_limit is not None and held > run.queued_limit:
            raise QueueFull(run.queued_limit)
        now = clock.now()
        await session.execute(
            runs.insert().values(
                id=run.id,
                workspace_id=run.workspace_id,
                pipeline_id=run.pipeline_id,
                pipeline_version=run.pipeline_version,
                trigger_type=run.trigger_type,
                status=RunStatus.PENDING,
                input_data=run.input_data,
                retry_of=run.retry_of,
                ticket=0 if held else 1,
                last_seq=1,
                deadline_at=now + run.timeout,
                created_at=now,
            )
        )
        accepted = events.run_status(RunStatus.PENDING)
        await self.append(session, run.id, 0, [accepted])
        admitted = unfinished - held
        if not held:
            await self._tickets.enqueue(session, run.id, 1, unfinished)
        elif run.admitted_limit is None or admitted < run.admitted_limit:
            # The plan has been raised since somebody was held.
            await self._admit_oldest(session, run.workspace_id, admitted + 1)

    async def _count_in(self, session: Session, run: NewRun) -> tuple[int, int]:
        # Nobody passes a held run, also where the plan has been raised since: "somebody is held, this run included"
        # and "this run is held" are the same.
        admitted = workspaces.c.admitted_runs
        has_slot = admitted == workspaces.c.unfinished_runs
        if run.admitted_limit is not None:
            has_slot = sa.and_(has_slot, admitted < run.admitted_limit)
        row = (
            await session.execute(
                workspaces.update()
                .where(workspaces.c.id == run.workspace_id)
                .values(
                    unfinished_runs=workspaces.c.unfinished_runs + 1,
                    admitted_runs=sa.case((has_slot, admitted + 1), else_=admitted),
                )
                .returning(workspaces.c.unfinished_runs, admitted)
            )
        ).one()
        return row.unfinished_runs, row.unfinished_runs - row.admitted_runs

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
                .returning(runs.c.last_seq, runs.c.ticket)
            )
        ).one_or_none()
        if row is None:
            raise RunNotCancellable(run_id)
        await self.append(session, run_id, row.last_seq - len(news), news)
        await self.release(session, workspace_id, held=row.ticket == 0)
        session.after_commit(lambda: self._changes.publish(RUN_CANCELLED, str(run_id)))

    async def release(self, session: Session, workspace_id: UUID, *, held: bool) -> None:
        """Count a run out and hand its slot, unless it was `held` without one, to the oldest that waits."""
        row = (
            await session.execute(
                workspaces.update()
                .where(workspaces.c.id == workspace_id)
                .values(
                    unfinished_runs=workspaces.c.unfinished_runs - 1,
                    admitted_runs=workspaces.c.admitted_runs - (0 if held else 1),
                )
                .returning(workspaces.c.unfinished_runs, workspaces.c.admitted_runs)
            )
        ).one()
        if not held and row.unfinished_runs > row.admitted_runs:
            await self._admit_oldest(session, workspace_id, row.admitted_runs + 1)

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
        now = clock.now()
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
                for seq, event in enumerate(news, start=last_seq + 1)
            ],
        )

        def tell() -> None:
            topic = run_topic(run_id)
            for seq, event in enumerate(news, start=last_seq + 1):
                self._changes.publish(topic, events.payload(run_id, event, seq, now))

        session.after_commit(tell)
