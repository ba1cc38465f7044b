"""Accepting several runs at once, by an engine that carries none."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from stepiq.accounts.service import Account
from stepiq.core import clock as core_clock
from stepiq.core.errors import StepIQError
from stepiq.core.ids import uuid7
from stepiq.execution.admission.control import Admission
from stepiq.execution.limits import usage
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.execution.records.run import NewRun
from stepiq.execution.records.trace_queue import TraceQueue
from stepiq.queue.ticket import Ticket
from stepiq.queue.tickets import TicketQueue
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.store.states import TriggerType
from stepiq.store.tables import run_events, runs, workspaces
from tests.support.engine import Limits, WorldPlans
from tests.support.make import Make

few = st.none() | st.integers(0, 6)
TODAY = "today"


@dataclass(frozen=True)
class Before:
    """How a workspace stands before runs come in."""

    plan: Limits
    admitted: int
    held: int
    started: int
    on: str
    tokens: int


befores = st.builds(
    Before,
    plan=st.builds(
        Limits,
        runs_at_once=st.none() | st.integers(1, 6),
        runs_queued=few,
        runs_per_day=few,
        credits_per_month=st.none() | st.integers(0, 2),
    ),
    admitted=st.integers(0, 7),
    held=st.integers(0, 4),
    started=st.integers(0, 7),
    on=st.sampled_from([TODAY, "2001-01-01", ""]),
    tokens=st.sampled_from([0, 999, 1_000, 2_500]),
)


class Place:
    """A workspace, and who accepts for it."""

    def __init__(self, make: Make, admission: Admission, account: Account, pipeline_id: UUID):
        self.make = make
        self.database = make.database
        self.admission = admission
        self.account = account
        self.pipeline_id = pipeline_id
        self._later = count(1_000)

    def run(self, plan: Limits, *, spends: bool = False) -> NewRun:
        return NewRun(
            # Each a millisecond behind the one before, and all behind those that stand there.
            id=UUID(int=uuid7().int + (next(self._later) << 80)),
            workspace_id=self.account.workspace_id,
            pipeline_id=self.pipeline_id,
            pipeline_version=1,
            trigger_type=TriggerType.CRON,
            input_data={"n": 1},
            timeout=timedelta(hours=1),
            plan=plan.plan,
            spends_credits=spends,
        )

    async def accept(self, *wanted: NewRun) -> list[StepIQError | None]:
        async with self.database.transaction() as session:
            return await self.admission.accept_many(session, wanted)

    async def stand(self, before: Before) -> None:
        """Bring the workspace there. Runs that are held have rows, in which they are looked for."""
        now = core_clock.now()
        for _ in range(before.held):
            await self.make.run(self.account, self.pipeline_id)
        async with self.database.transaction() as session:
            await session.execute(
                runs.update()
                .where(runs.c.workspace_id == self.account.workspace_id)
                .values(ticket=0)
            )
            await session.execute(
                workspaces.update()
                .where(workspaces.c.id == self.account.workspace_id)
                .values(
                    admitted_runs=before.admitted,
                    unfinished_runs=before.admitted + before.held,
                    runs_today=before.started,
                    runs_day=usage.day_of(now) if before.on == TODAY else before.on,
                    credit_tokens=before.tokens,
                    credit_month=usage.month_of(now),
                )
            )

    async def counters(self) -> tuple[Any, ...]:
        columns = workspaces.c
        (row,) = await self._rows(
            sa.select(
                columns.unfinished_runs,
                columns.admitted_runs,
                columns.runs_today,
                columns.runs_day,
                columns.credit_tokens,
            ).where(columns.id == self.account.workspace_id)
        )
        return tuple(row)

    async def runs(self) -> list[Any]:
        """Its runs, the oldest first."""
        return await self._rows(
            sa.select(runs)
            .where(runs.c.workspace_id == self.account.workspace_id)
            .order_by(runs.c.id)
        )

    async def priorities(self) -> dict[UUID, int]:
        """Of the tickets in the queue, by run."""
        schema = "" if self.database.is_sqlite else "dbos."
        rows = await self._rows(
            sa.text(f"SELECT workflow_uuid, priority FROM {schema}workflow_status")  # noqa: S608
        )
        return {Ticket.parse(row.workflow_uuid).subject_id: row.priority for row in rows}

    async def story(self) -> list[tuple[Any, ...]]:
        """What there is to tell of each run, the oldest first, whatever its id."""
        priorities = await self.priorities()
        found: list[tuple[Any, ...]] = []
        for row in await self.runs():
            events = await self._rows(sa.select(run_events).where(run_events.c.run_id == row.id))
            told = [(event.seq, event.type, event.data) for event in events]
            found.append((row.ticket, row.status, row.last_seq, told, priorities.get(row.id)))
        return found

    async def _rows(self, statement: sa.Executable) -> list[Any]:
        async with self.database.reading() as session:
            return list((await session.execute(statement)).all())


async def empty_queue(database: Database) -> None:
    """Delete all tickets, because the priority of a new ticket depends on those that wait."""
    schema = "" if database.is_sqlite else "dbos."
    async with database.transaction() as session:
        await session.execute(sa.text(f"DELETE FROM {schema}workflow_status"))  # noqa: S608


@pytest.fixture
async def queue(database: Database, changes: LocalChanges) -> AsyncIterator[TicketQueue]:
    queue = TicketQueue(database, changes)
    yield queue
    await queue.stop()


@pytest.fixture
def place(changes: LocalChanges, queue: TicketQueue, make: Make):
    admission = Admission(changes, queue, WorldPlans(), TraceQueue(False))

    async def place() -> Place:
        account = await make.user()
        return Place(make, admission, account, await make.pipeline(account))

    return place


class TestAcceptMany:
    @pytest.mark.slow
    @settings(max_examples=25, deadline=None)
    @given(before=befores, spending=st.lists(st.booleans(), min_size=1, max_size=9))
    async def test_it_leaves_what_one_by_one_would_leave(
        self, place: Any, before: Before, spending: Sequence[bool]
    ):
        together, singly = await place(), await place()
        for each in (together, singly):
            await each.stand(before)
        of_one, of_other = (
            [each.run(before.plan, spends=spends) for spends in spending]
            for each in (together, singly)
        )

        await empty_queue(together.database)
        refusals = await together.accept(*of_one)
        story = await together.story()
        await empty_queue(together.database)
        expected = [(await singly.accept(run))[0] for run in of_other]

        assert [str(refusal) for refusal in refusals] == [str(refusal) for refusal in expected]
        assert list(map(type, refusals)) == list(map(type, expected))
        assert await together.counters() == await singly.counters()
        assert story == await singly.story()

    async def test_nothing_wanted_is_nothing_done(self, place: Any):
        assert await (await place()).accept() == []

    async def test_each_workspace_has_its_own_plan_and_each_answer_its_place(self, place: Any):
        rich, poor = await place(), await place()
        tight = Limits(runs_at_once=1, runs_queued=1)
        wanted = [run for _ in range(3) for run in (rich.run(Limits()), poor.run(tight))]

        refusals = await rich.accept(*wanted)

        assert refusals[:5] == [None] * 5
        assert isinstance(refusals[5], QueueFull)
        assert [row.ticket for row in await rich.runs()] == [1, 1, 1]
        assert [row.ticket for row in await poor.runs()] == [1, 0]
        assert (await rich.counters())[:3] == (3, 3, 3)
        assert (await poor.counters())[:3] == (2, 1, 2)
        priorities = await rich.priorities()
        of_rich = [priorities[run.id] for run in wanted[::2]]
        assert of_rich == sorted(of_rich)
        assert [priorities.get(run.id) for run in wanted[3::2]] == [None, None]
        assert priorities[wanted[1].id] < of_rich[1]

    async def test_one_that_is_refused_lets_those_behind_it_pass(self, place: Any):
        here = await place()
        plan = Limits(runs_per_day=3, credits_per_month=0)
        wanted = [
            here.run(plan, spends=spends) for spends in (True, False, True, False, False, False)
        ]

        refusals = await here.accept(*wanted)

        assert [type(refusal) for refusal in refusals] == [
            PlanCreditsExhausted,
            type(None),
            PlanCreditsExhausted,
            type(None),
            type(None),
            PlanRunsExhausted,
        ]
        assert {row.id for row in await here.runs()} == {wanted[n].id for n in (1, 3, 4)}

    async def test_runs_that_wait_get_the_slots_of_a_raised_plan_first(self, place: Any):
        here = await place()
        await here.accept(*(here.run(Limits(runs_at_once=1)) for _ in range(4)))

        await here.accept(*(here.run(Limits(runs_at_once=3)) for _ in range(5)))

        assert [row.ticket for row in await here.runs()] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
        assert (await here.counters())[:2] == (9, 3)
        priorities = await here.priorities()
        in_order = [priorities[row.id] for row in await here.runs() if row.ticket]
        assert in_order == sorted(set(in_order))

    async def test_a_run_that_the_store_does_not_take_takes_all_with_it(self, place: Any):
        here = await place()
        good = here.run(Limits())

        with pytest.raises(IntegrityError):
            await here.accept(good, replace(here.run(Limits()), id=good.id))

        assert await here.runs() == []
        assert (await here.counters())[:3] == (0, 0, 0)
        assert await here.priorities() == {}
