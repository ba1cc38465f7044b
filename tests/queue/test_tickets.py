import asyncio
import io
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from dbos import DBOS, EnqueueOptions
from dbos._core import ActiveWorkflowById
from dbos._sys_db import SystemDatabase
from sqlalchemy import event

from stepiq.core.ids import uuid7
from stepiq.core.observability import log_output
from stepiq.core.settings.model import Settings
from stepiq.execution.journal.retention import sweep
from stepiq.queue import dbos_threads
from stepiq.queue import tickets as tickets_module
from stepiq.queue.dbos_threads import LANES, Lanes
from stepiq.queue.ticket import Queue, Ticket
from stepiq.queue.tickets import TicketQueue
from stepiq.store.connections import engines
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.pubsub import TICKETS_WAITING, LocalChanges
from stepiq.store.tables import runs, workspaces
from tests.support.breaking_proxy import broken_at
from tests.support.engine import World

pytestmark = pytest.mark.both_stores

TRANSFORM = "name: T\nsteps: [{id: t, type: transform, template: x}]"


class TestTicket:
    def test_it_is_read_as_it_was_written(self):
        ticket = Ticket(uuid7(), 3)

        assert Ticket.parse(str(ticket)) == ticket


class TestLaunch:
    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    @pytest.mark.parametrize(
        "statement",
        [b"idle_in_transaction", b"INTO dbos.queues", b"dbos.application_versions"],
        ids=["connect", "register", "launch"],
    )
    async def test_a_database_that_goes_away_meanwhile_is_named(
        self, settings: Settings, statement: bytes
    ):
        with broken_at(settings.database_url, statement) as url:
            database = Database(settings.model_copy(update={"database_url": url}))
            tickets = TicketQueue(database, LocalChanges())

            async def carry(run_id: UUID) -> None:
                raise AssertionError(run_id)

            with pytest.raises(StoreUnavailable, match=r"cannot be reached: .* Start PostgreSQL"):
                await tickets.launch("worker-1", {Queue.RUNS: carry})

            await tickets.stop()
            await database.close()


class TestEnqueue:
    async def test_a_rolled_back_run_leaves_no_ticket(self, world: World):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the transaction is what is left
            async with world.database.transaction() as session:
                await world.engine._tickets.enqueue(session, uuid7(), 1, 1)
                raise ZeroDivisionError

        run_id = uuid7()
        await _use_up(world, run_id)
        assert [t.subject_id for t in await world.engine._tickets.finished(10)] == [run_id]

    async def test_a_committed_run_starts_without_waiting_for_the_next_poll(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        wait = dbos_threads._Wake.wait
        monkeypatch.setattr(LANES, "idle_poll_seconds", 3_600.0)
        monkeypatch.setattr(dbos_threads._Wake, "wait", lambda wake, **_: wait(wake, 3_600.0))
        pipeline_id = await world.pipeline(TRANSFORM)

        # A pause that has begun before ends soon, so it takes more than one run.
        for _ in range(3):
            _, heard = await world.start(pipeline_id)
            await asyncio.wait_for(heard.until_ended(), 60)

    async def test_a_poll_without_tickets_is_one_statement(self, world: World):
        lane = Queue.RUNS.lane(1)
        polls: asyncio.Queue[str] = asyncio.Queue()
        loop, engine = asyncio.get_running_loop(), world.engine._tickets._engine

        @event.listens_for(engine, "before_cursor_execute")
        def _note(_1: Any, _2: Any, statement: str, *_: Any) -> None:
            if threading.current_thread().name == f"queue-worker-{lane}":
                loop.call_soon_threadsafe(polls.put_nowait, statement)

        statements: list[str] = []
        for _ in range(3):
            LANES.wake(lane)
            statements.append(await asyncio.wait_for(polls.get(), 30))

        assert all(re.search(r"FROM (\w+\.)?workflow_status", each) for each in statements)


class TestEnqueueMany:
    @pytest.mark.parametrize("queue", Queue)
    async def test_a_ticket_is_what_the_library_would_have_written(
        self, database: Database, queue: Queue
    ):
        tickets, subject_id = TicketQueue(database, LocalChanges()), uuid7()
        options: EnqueueOptions = {
            "workflow_name": queue.workflow,
            "queue_name": queue,
            "workflow_id": str(Ticket(subject_id, 1)),
            "app_version": "1",
            "priority": 7,
        }
        client = tickets._connect()
        before = datetime.now(UTC) - timedelta(seconds=1)
        async with database.transaction() as session:
            # The first ticket of a lane has its position as its priority.
            await tickets.enqueue_many(session, [(subject_id, 2, 7), (uuid7(), 1, 8)], queue)
        engine = engines.create(database.url)
        with engine.begin() as connection:
            client.enqueue_in_transaction(connection, options, str(subject_id))
        engine.dispose()

        for table in ("workflow_status", "workflow_input"):
            rows = await _rows_of_library(database, table)
            theirs, ours = (rows.pop(str(Ticket(subject_id, number))) for number in (1, 2))
            for own in ("created_at", "updated_at", "retention_timestamp"):
                if own in ours:
                    assert theirs.pop(own) >= before.timestamp() * 1000
                    assert ours.pop(own) >= before.timestamp() * 1000
            if "creator_xid" in ours:
                # A name that nobody else has.
                assert len(theirs.pop("creator_xid")) == len(ours.pop("creator_xid")) == 36
            assert ours == theirs
            assert len(rows) == 1
        await tickets.stop()

    async def test_a_ticket_that_is_there_already_stays_as_it_is(self, database: Database):
        tickets, subject_id = TicketQueue(database, LocalChanges()), uuid7()
        for position in (1, 2):
            async with database.transaction() as session:
                await tickets.enqueue_many(session, [(subject_id, 1, position)])

        rows = await _rows_of_library(database, "workflow_status")
        assert [row["priority"] for row in rows.values()] == [1]


class TestFinish:
    async def test_with_its_run_a_ticket_is_gone(self, world: World):
        await world.run(TRANSFORM)

        assert await _rows_of_library(world.database, "workflow_status") == {}
        assert await _rows_of_library(world.database, "workflow_input") == {}

    async def test_that_it_is_gone_is_no_news_to_the_library(self, world: World):
        asked = list[str]()

        @event.listens_for(world.engine._tickets._engine, "before_cursor_execute")
        def _note(_1: Any, _2: Any, statement: str, *_: Any) -> None:
            # The outcome that the library would write.
            if statement.startswith("UPDATE") and "output=" in statement:
                asked.append(statement)

        await world.run(TRANSFORM)
        async with asyncio.timeout(10):
            # The library says that the workflow has returned a moment after the run's end.
            while tickets_module._finished:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

        assert asked == []

    async def test_a_ticket_that_another_worker_has_used_up_ends_quietly(
        self, world: World, caplog: pytest.LogCaptureFixture
    ):
        ended = await world.run(TRANSFORM)
        begun, may_go = asyncio.Event(), asyncio.Event()
        claim = world.engine._journal.claim

        async def slowly(run_id, held=None, *, again=False):
            begun.set()
            await may_go.wait()
            return await claim(run_id, held, again=again)

        monkeypatch = pytest.MonkeyPatch()
        monkeypatch.setattr(world.engine._journal, "claim", slowly)
        async with world.database.transaction() as session:
            await world.engine._tickets.enqueue(session, ended.run.id, 1, 1)
        await begun.wait()
        async with world.database.transaction() as session:
            await tickets_module.finish(session, [Ticket(ended.run.id, 1)])
        tickets_module._finished.clear()
        may_go.set()
        await world.engine.stop()
        monkeypatch.undo()

        assert [
            record for record in caplog.records if record.levelname in ("WARNING", "ERROR")
        ] == []
        await world.engine.start()


class TestClaim:
    async def test_a_worker_claims_a_few_tickets_at_once_and_soon_the_next(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        claim, claimed = SystemDatabase.start_queued_workflows, list[int]()

        def count(*arguments: Any, **options: Any) -> Any:
            found = claim(*arguments, **options)
            if found[0]:
                claimed.append(len(found[0]))
            return found

        monkeypatch.setattr(SystemDatabase, "start_queued_workflows", count)
        waiting = {uuid7() for _ in range(120)}
        async with world.database.transaction() as session:
            await world.engine._tickets.enqueue_many(session, [(each, 1, 9) for each in waiting])

        # Tickets of earlier tests may still be there.
        while waiting:
            await asyncio.sleep(0.01)
            waiting -= {each.subject_id for each in await world.engine._tickets.finished(1000)}
        assert sum(claimed) == 120
        assert max(claimed) == 50


class TestStop:
    async def test_a_queue_that_was_never_used_has_nothing_to_stop(self, database: Database):
        await TicketQueue(database, LocalChanges()).stop()

    async def test_a_queue_that_only_accepted_gives_its_connections_back(self, database: Database):
        queue = TicketQueue(database, LocalChanges())
        assert await queue.finished(1) == []

        await queue.stop()

        assert await queue.finished(1) == []
        await queue.stop()

    async def test_the_library_stops_after_it_has_recorded_all_outcomes(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        order, may_record, has_recorded = list[str](), threading.Event(), threading.Event()
        destroy, active = DBOS.destroy, ActiveWorkflowById.activeList

        def record(*_: Any, **__: Any) -> bool:
            assert may_record.wait(30)
            order.append("outcome")
            has_recorded.set()
            return True

        def stop() -> None:
            order.append("stop")
            may_record.set()
            destroy()

        def look(workflows: ActiveWorkflowById) -> list[str]:
            found = active(workflows)
            may_record.set()
            # A busy machine could need longer than the stop waits.
            assert not found or has_recorded.wait(30)
            return found

        monkeypatch.setattr(SystemDatabase, "update_workflow_outcome", record)
        monkeypatch.setattr(DBOS, "destroy", stop)
        monkeypatch.setattr(ActiveWorkflowById, "activeList", look)
        _, heard = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)
        await asyncio.wait_for(heard.until_ended(), 30)

        await world.engine.stop()

        assert order == ["outcome", "stop"]
        monkeypatch.undo()
        await world.engine.start()

    async def test_an_interrupted_run_is_no_warning_of_the_library(self, world: World):
        stream = io.StringIO()
        log_output.configure("json", stream=stream)
        waiting = "name: T\nsteps: [{id: w, type: wait, seconds: 30}]"
        _, heard = await world.start(await world.pipeline(waiting))
        await asyncio.wait_for(heard.until("step.status", status="waiting"), 30)

        await world.engine.stop(drain=timedelta(0))

        events = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert [event for event in events if event["level"] != "info"] == []
        await world.engine.start()

    async def test_a_wake_without_a_worker_is_of_no_consequence(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("stepiq.queue.tickets.LANES", Lanes())

        changes = LocalChanges()
        TicketQueue(database, changes)

        changes.publish(TICKETS_WAITING, Queue.RUNS)


class TestSweep:
    async def test_without_finished_tickets_there_is_nothing_to_do(self, world: World):
        assert await sweep(world.database, world.engine._tickets) == 0

    async def test_a_run_with_a_later_ticket_is_no_orphan(self, world: World):
        ended = await world.run(TRANSFORM)
        await _use_up(world, ended.run.id)
        async with world.database.transaction() as session:
            await session.execute(
                runs.update()
                .where(runs.c.id == ended.run.id)
                .values(status="running", completed_at=None, ticket=2)
            )

        await sweep(world.database, world.engine._tickets)

        assert (await world.ended(ended.run.id, ended.heard)).run.ticket == 2

    async def test_tickets_that_ended_without_their_runs_are_forgotten(self, world: World):
        await _use_up(world, uuid7())

        swept = await sweep(world.database, world.engine._tickets)

        assert swept == 1
        assert await world.engine._tickets.finished(10) == []

    async def test_a_run_that_its_ticket_left_behind_gets_another(self, world: World):
        ended = await world.run(TRANSFORM)
        await _use_up(world, ended.run.id)
        async with world.database.transaction() as session:
            await session.execute(
                runs.update()
                .where(runs.c.id == ended.run.id)
                .values(status="running", completed_at=None)
            )
            await session.execute(workspaces.update().values(unfinished_runs=1, admitted_runs=1))

        await sweep(world.database, world.engine._tickets)

        await ended.heard.until_ended()
        again = await world.ended(ended.run.id, ended.heard)
        assert (again.run.status, again.run.ticket) == ("completed", 2)


async def _use_up(world: World, run_id: UUID) -> None:
    """Have a ticket of a run that has ended, or never was, come to its end by itself."""
    async with world.database.transaction() as session:
        await world.engine._tickets.enqueue(session, run_id, 1, 1)
    while not await world.engine._tickets.finished(1):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


async def _rows_of_library(database: Database, table: str) -> dict[str, dict[str, Any]]:
    """All columns of one of the library's tables, by the ticket they are about."""
    schema = "" if database.is_sqlite else "dbos."
    async with database.reading() as session:
        rows = await session.execute(sa.text(f"SELECT * FROM {schema}{table}"))  # noqa: S608
        found = [dict(row) for row in rows.mappings()]
    return {row.pop("workflow_uuid"): row for row in found}
