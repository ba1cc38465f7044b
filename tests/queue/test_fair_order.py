"""The order of tickets in a lane: start-time fair queueing."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.core.ids import uuid7
from stepiq.queue import tickets
from stepiq.queue.ticket import FIRST, Queue, Ticket
from stepiq.queue.tickets import TicketQueue
from stepiq.store.database import Database, Session
from stepiq.store.pubsub import LocalChanges
from tests.support.query_plans import plan_of, statements

LANE = Queue.RUNS.lane(FIRST + 1)
LIMIT = 2**31 - 1


class Simulation:
    """Workspaces that start runs, and a worker that claims their tickets in the library's order."""

    def __init__(self, session: Session, queue: TicketQueue) -> None:
        self.session = session
        self.queue = queue
        self.table = "dbos.workflow_status"
        if session.dialect == "sqlite":
            self.table = "workflow_status"
        self.unfinished: Counter[str] = Counter()
        self.workspaces: dict[UUID, str] = {}

    async def accept(self, workspace: str, number: int) -> list[UUID]:
        """Enqueue runs of a workspace, with the positions that admission gives them."""
        wanted = [uuid7() for _ in range(number)]
        positions = count(self.unfinished[workspace] + 1)
        if wanted:
            new = [(run_id, 1, next(positions)) for run_id in wanted]
            await self.queue.enqueue_many(self.session, new)
        self.unfinished[workspace] += number
        self.workspaces |= dict.fromkeys(wanted, workspace)
        return wanted

    async def claim(self, number: int) -> list[UUID]:
        """Claim the first tickets of the lane."""
        found = await self.session.execute(
            sa.text(
                f"UPDATE {self.table} SET status = 'PENDING', executor_id = 'worker' "  # noqa: S608
                f"WHERE workflow_uuid IN (SELECT workflow_uuid FROM {self.table} "
                "WHERE queue_name = :lane AND status = 'ENQUEUED' "
                "ORDER BY priority, created_at LIMIT :number) RETURNING workflow_uuid"
            ),
            {"lane": LANE, "number": number},
        )
        return [Ticket.parse(each).subject_id for each in found.scalars()]

    async def finish(self, run_ids: list[UUID]) -> None:
        """End runs, which deletes their tickets."""
        await tickets.finish(self.session, [Ticket(run_id, 1) for run_id in run_ids])
        self.unfinished.subtract(self.workspaces[run_id] for run_id in run_ids)

    async def priorities(self) -> dict[UUID, int]:
        rows = await self.session.execute(
            sa.text(f"SELECT workflow_uuid, priority FROM {self.table} WHERE queue_name = :lane"),  # noqa: S608
            {"lane": LANE},
        )
        return {Ticket.parse(row.workflow_uuid).subject_id: row.priority for row in rows}

    async def set_priority(self, priority: int) -> None:
        """Set the priority of all tickets."""
        await self.session.execute(
            sa.text(f"UPDATE {self.table} SET priority = :new"),  # noqa: S608
            {"new": priority},
        )


@pytest.fixture
async def queue(database: Database) -> AsyncIterator[TicketQueue]:
    queue = TicketQueue(database, LocalChanges())
    yield queue
    await queue.stop()


class _RollBack(Exception): ...


@asynccontextmanager
async def simulation(database: Database, queue: TicketQueue) -> AsyncIterator[Simulation]:
    """A simulation in one transaction, which is rolled back."""
    with suppress(_RollBack):
        async with database.transaction(patience=60) as session:
            yield Simulation(session, queue)
            raise _RollBack


class TestOrder:
    @settings(max_examples=8, deadline=None)
    @given(
        backlogs=st.lists(st.integers(1, 30), min_size=1, max_size=5),
        places=st.integers(1, 10),
        waiting=st.integers(1, 60),
    )
    async def test_each_ticket_is_claimed_although_others_start_runs_all_the_time(
        self,
        database: Database,
        queue: TicketQueue,
        backlogs: list[int],
        places: int,
        waiting: int,
    ):
        """Each workspace starts a new run as soon as one of its runs ends, except the watched one."""
        others = {str(number): FIRST + backlog for number, backlog in enumerate(backlogs)}
        async with simulation(database, queue) as world:
            for other, backlog in others.items():
                await world.accept(other, backlog)
            watched = set((await world.accept("watched", FIRST + waiting))[FIRST:])
            claimed_from_others = 0

            while watched:
                claimed = await world.claim(places)
                claimed_from_others += len(set(claimed) - watched)
                watched -= set(claimed)
                await world.finish(claimed)
                for other, backlog in others.items():
                    await world.accept(other, backlog - world.unfinished[other])
                # Each other workspace gets its earlier tickets, and one ticket for each of the watched workspace.
                assert claimed_from_others <= sum(backlogs) + len(others) * (waiting + places + 9)

    async def test_a_ticket_that_goes_back_does_not_let_new_tickets_overtake(
        self, database: Database, queue: TicketQueue
    ):
        async with database.transaction() as session:
            world = Simulation(session, queue)
            old = (await world.accept("old", FIRST + 1))[-1]
            assert await world.claim(1) == [old]
            waiting = (await world.accept("waiting", FIRST + 1))[-1]
            await world.set_priority(1_000)
            await session.execute(
                sa.text(f"UPDATE {world.table} SET priority = 4 WHERE status = 'PENDING'")  # noqa: S608
            )

        async with database.transaction() as session:
            assert await queue.take_back(session, ["worker"]) == 1

        async with database.transaction() as session:
            world.session = session
            new = (await world.accept("new", FIRST + 1))[-1]
            assert set(await world.claim(2)) == {old, waiting}
            assert await world.claim(1) == [new]

    async def test_a_ticket_that_goes_back_keeps_its_place_in_a_lane_without_others(
        self, database: Database, queue: TicketQueue
    ):
        async with database.transaction() as session:
            world = Simulation(session, queue)
            await world.accept("old", FIRST + 2)
            before = await world.priorities()
            await world.claim(2)

        async with database.transaction() as session:
            await queue.take_back(session, ["worker"])

        async with database.transaction() as session:
            world.session = session
            assert await world.priorities() == before

    async def test_a_lane_without_waiting_tickets_starts_again(
        self, database: Database, queue: TicketQueue
    ):
        async with simulation(database, queue) as world:
            await world.accept("a", FIRST + 1)
            await world.set_priority(1_000)
            await world.claim(1)

            last = (await world.accept("b", FIRST + 1))[-1]

            assert (await world.priorities())[last] == FIRST + 1

    async def test_priorities_end_at_the_limit_of_the_column(
        self, database: Database, queue: TicketQueue
    ):
        async with simulation(database, queue) as world:
            await world.accept("a", FIRST + 1)
            await world.set_priority(LIMIT - 1)

            last = (await world.accept("b", FIRST + 1))[-1]

            assert (await world.priorities())[last] == LIMIT


@pytest.mark.new_store
class TestPlans:
    async def test_the_lowest_priority_is_the_first_entry_of_an_index(
        self, database: Database, queue: TicketQueue
    ):
        with statements() as seen:
            async with database.transaction() as session:
                await queue.enqueue_many(session, [(uuid7(), 1, 1)])
                await queue.take_back(session, ["worker"])

        asking = {text: values for text, values in seen.items() if "waiting" in text}
        assert len(asking) == 2
        for text, values in asking.items():
            plan = await plan_of(database, text, values, off=("enable_seqscan", "enable_sort"))
            assert "idx_workflow_status_in_flight" in plan
            assert "Seq Scan" not in plan
            assert "TEMP B-TREE" not in plan
            assert "Sort" not in plan
