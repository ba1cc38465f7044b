"""The only interface to the durable queue (DBOS Transact).

A ticket is a request to continue a run or a delivery. Its argument is the id of that run or delivery, its result is
null, and progress is stored in stepIQ's own tables. The transaction that ends the run or delivery deletes its ticket.
Each queue has two lanes: one for the first few tickets of each workspace, so that a workspace with thousands of tickets
cannot block the others, and one for the rest. A commit wakes the lanes; each also polls as a fallback.

Lanes use start-time fair queueing. A ticket's priority is its position in the backlog of its workspace, plus the lowest
priority that waits in the lane. New tickets therefore never overtake a waiting ticket for long.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from dbos._sys_db import SystemDatabase
from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError

from stepiq.core.json import Json
from stepiq.core.observability import logging
from stepiq.queue import direct_runs, ticket_statements
from stepiq.queue.dbos_threads import LANES, POLL_SECONDS, until_returned
from stepiq.queue.ticket import Queue, Ticket
from stepiq.store import migrate
from stepiq.store.connections import engines
from stepiq.store.connections.refusals import explaining
from stepiq.store.database import PATIENT_SECONDS, Database, Session
from stepiq.store.pubsub import TICKETS_WAITING, Changes
from stepiq.store.statements import rows as many_rows

log = logging.get(__name__)

CONCURRENCY = 500
"""Tickets of one lane that a worker process executes at the same time. It is the only limit on slow receivers."""
_CLAIMED_AT_ONCE = 50
"""Maximum number of tickets of one lane that a process claims before others have a turn."""

# Constant, because tickets contain no code: any version of stepIQ can execute the tickets of another.
_APPLICATION_VERSION = "1"
_THREADS = 8
_WAKE_SECONDS = 0.02
_OUTCOME_SECONDS = 2.0
"""How long a stop waits for outcomes to be recorded, which can need a database that cannot be reached."""
_FAILED_LATELY_SECONDS = 15.0
"""How long after a failed claim its COMMIT may still arrive at the database. Keep-alives end a dead connection before."""
_HELD_SECONDS = 30.0
_RECOVERIES = 1_000_000

TicketHandler = Callable[[UUID], Awaitable[None]]


_finished: set[str] = set()
"""Deleted tickets whose workflows have not returned yet."""
_update_outcome = SystemDatabase.update_workflow_outcome


def _note_outcome(
    system: SystemDatabase, workflow_id: str, *arguments: Any, **options: Any
) -> bool:
    if workflow_id in _finished:
        _finished.discard(workflow_id)
    else:
        _update_outcome(system, workflow_id, *arguments, **options)
    # If no row was updated, another worker has the ticket or it was deleted. Without `True`, the library would poll for
    # its outcome forever.
    return True


# The library cannot end a workflow in our transaction, so each ticket would need a transaction of its own.
SystemDatabase.update_workflow_outcome = _note_outcome  # pyright: ignore[reportAttributeAccessIssue] - called by position and name


_received: set[str] = set()
"""Tickets that the library has claimed, and that no handler has executed yet."""
_claim_failed_at = -math.inf
"""When a claim of the library last failed, in seconds of the monotonic clock."""
_lacks_room = False
"""Whether tickets of the backlog may wait only because this process had no room for them."""
_claim = SystemDatabase.start_queued_workflows


def _claim_some(
    system: SystemDatabase,
    queue: Any,
    executor_id: str,
    version: str,
    partition: str | None,
    running: int = 0,
    **options: Any,
) -> Any:
    global _claim_failed_at, _lacks_room
    # The library claims what there is room for, as if more tickets were running.
    running = max(running, CONCURRENCY - _CLAIMED_AT_ONCE)
    if queue.name == Queue.RUNS.lanes[1]:
        # Runs without tickets have places of this lane. The other one is for workspaces with few runs.
        running = max(running, len(_executing))
    # Otherwise, each claim queries whether it is for this process to claim tickets without a version. There are none.
    options["is_latest_version"] = True
    try:
        claimed = _claim(system, queue, executor_id, version, partition, running, **options)
    except BaseException:
        _claim_failed_at = time.monotonic()
        raise
    number = len(claimed[0])
    _received.update(claimed[0])
    if number == _CLAIMED_AT_ONCE:
        LANES.wake(queue.name)
    if queue.name == Queue.RUNS.lanes[1]:
        _lacks_room = CONCURRENCY - running <= number < _CLAIMED_AT_ONCE
        # Runs may have ended meanwhile.
        claim_if_room()
    return claimed


# One worker would claim hundreds of tickets at once, and the others would have nothing to do. Also, if the response to
# the COMMIT of a claim is lost, the tickets are claimed, but the library does not know about them.
SystemDatabase.start_queued_workflows = _claim_some  # pyright: ignore[reportAttributeAccessIssue] - called by position


# The library calls workflows by name, so the handlers of this process are global.
_handlers: dict[Queue, TicketHandler] = {}
_executor_id = ""
_executing: Collection[UUID] = ()
"""The runs that this process executes, with or without tickets."""
_started: Counter[str] = Counter()
"""The number of handlers that execute each ticket of this process. After a ticket was taken back, there may be two."""


@DBOS.workflow(name=Queue.RUNS.workflow, max_recovery_attempts=_RECOVERIES)
async def _execute_run(run_id: str) -> None:
    await _handle(Queue.RUNS, run_id)


@DBOS.workflow(name=Queue.DELIVERIES.workflow, max_recovery_attempts=_RECOVERIES)
async def _deliver(delivery_id: str) -> None:
    await _handle(Queue.DELIVERIES, delivery_id)


async def _handle(queue: Queue, subject_id: str) -> None:
    ticket = DBOS.workflow_id or ""
    _started[ticket] += 1
    _received.discard(ticket)
    try:
        await _handlers[queue](UUID(subject_id))
    finally:
        _started[ticket] -= 1
        if not _started[ticket]:
            del _started[ticket]
        claim_if_room()


def claim_if_room() -> None:
    """Claim tickets if some wait for room, and half of it is free. Call it when this process has ended a run."""
    global _lacks_room
    if _lacks_room and len(_executing) <= CONCURRENCY // 2:
        _lacks_room = False
        LANES.wake(Queue.RUNS.lanes[1])


class TicketQueue:
    """Enqueues tickets and, in a worker, executes them. One per process."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        # A commit in any process wakes the queues of all processes.
        changes.call_on(TICKETS_WAITING, _wake)
        self._engine: sa.Engine | None = None
        self._client: DBOSClient | None = None
        self._is_working = False
        self._is_starting = False

    async def launch(
        self,
        executor_id: str,
        handlers: Mapping[Queue, TicketHandler],
        executing: Collection[UUID] = (),
    ) -> None:
        """Start to execute tickets. Call it on the event loop that executes them.

        Args:
            executor_id: identifies the holder of the tickets that this process claims. No other process, past or
                present, may have the same id.
            handlers: for each queue, a function that executes one run or delivery until it ends or waits. If the call
                is cancelled, the ticket is enqueued again.
            executing: the runs that this process executes, as they change.

        Raises:
            StoreUnavailable, StoreRefused: the database cannot be used. Call `stop` then, too.
        """
        global _executor_id, _executing
        _handlers.update(handlers)
        _executor_id = executor_id
        _executing = executing
        is_only_process = self._database.is_sqlite
        LANES.concurrency = CONCURRENCY
        LANES.open()
        LANES.may_rest = lambda: is_only_process and not _started
        with self._failing_at_once():
            client = self._connect()
        config: DBOSConfig = {
            "name": "stepiq",
            "system_database_url": self._database.url.render_as_string(hide_password=False),
            "system_database_engine": self._engine,
            "application_version": _APPLICATION_VERSION,
            "executor_id": executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": _THREADS,
            "enable_otlp": False,
            "log_level": "WARNING",
        }
        self._is_working = True
        with self._failing_at_once():
            DBOS(config=config)
            # Queues registered after the launch start up to a second late.
            for lane in (lane for queue in handlers for lane in queue.lanes):
                await client.register_queue_async(
                    lane, worker_concurrency=CONCURRENCY, polling_interval_sec=POLL_SECONDS
                )
            async with self._database.without_writer():
                DBOS.launch()

    @contextmanager
    def _failing_at_once(self) -> Generator[None]:
        """Explain why the database cannot be used. The library would retry until it can, which blocks the event loop."""
        self._is_starting = True
        try:
            with explaining(self._database.url):
                yield
        finally:
            self._is_starting = False

    def _note_error(self, context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        if not self._is_starting or error is None:
            return
        with suppress(DBAPIError), explaining(self._database.url):
            raise error

    def _connect(self) -> DBOSClient:
        if self._client is None:
            self._engine = self._make_engine()
            event.listen(self._engine, "handle_error", self._note_error)
            self._client = DBOSClient(
                system_database_engine=self._engine, serializer=DBOSPortableJSONSerializer()
            )
        return self._client

    def _make_engine(self) -> sa.Engine:
        if self._database.is_sqlite:
            return engines.create_with_turns(self._database.url, self._database.write_turns)
        return engines.create(self._database.url, self._database.queue_connections, may_idle=False)

    async def enqueue(
        self,
        session: Session,
        subject_id: UUID,
        number: int,
        position: int,
        queue: Queue = Queue.RUNS,
    ) -> None:
        """Enqueue ticket `number` of a run or delivery in this transaction. See `enqueue_many`."""
        await self.enqueue_many(session, [(subject_id, number, position)], queue)

    async def enqueue_many(
        self,
        session: Session,
        tickets: Sequence[tuple[UUID, int, int]],
        queue: Queue = Queue.RUNS,
    ) -> None:
        """Enqueue several tickets in this transaction. Does nothing for those that exist.

        Args:
            session: the transaction.
            tickets: for each, its subject, its number, and its position in the backlog of its workspace, from 1. Lower
                positions go first among tickets that are enqueued at the same time.
            queue: the queue of all of them.
        """
        # In an empty lane, the first of these tickets is the lowest for the others.
        firsts: dict[str, tuple[UUID, int]] = {}
        for subject_id, _, position in tickets:
            firsts.setdefault(queue.lane(position), (subject_id, position))
        rows = [
            {
                "id": str(Ticket(subject_id, number)),
                "name": queue.workflow,
                "queue": queue.lane(position),
                "position": str(position),
                "otherwise": _otherwise(subject_id, *firsts[queue.lane(position)]),
                "creator": str(uuid4()),
                "version": _APPLICATION_VERSION,
                "inputs": f'{{"namedArgs":{{}},"positionalArgs":["{subject_id}"]}}',
            }
            for subject_id, number, position in tickets
        ]
        # Writes the same rows as the library's `enqueue_in_transaction`, which compiles two statements for each ticket.
        dialect = session.dialect
        for each in ticket_statements.INSERT[dialect]:
            await many_rows.execute(session, each, ticket_statements.INSERT_TOGETHER, rows)
        for lane in {str(row["queue"]) for row in rows}:
            session.after_commit(partial(self._changes.publish, TICKETS_WAITING, lane))

    @contextmanager
    def holding_backlog(self) -> Generator[None]:
        """While in this block, this process does not claim tickets of runs that wait behind others of their workspace.

        It lasts at most 30 seconds, and at most half of the time. The first tickets of each workspace do not wait.
        """
        backlog = Queue.RUNS.lanes[1]
        LANES.hold(backlog, _HELD_SECONDS)
        try:
            yield
        finally:
            LANES.release(backlog)

    def room(self) -> int:
        """How many more runs this process can begin without tickets."""
        if not self._is_working or LANES.is_closed or LANES.held_for(Queue.RUNS.lanes[1]):
            return 0
        # Other workers take those of which this one has many.
        most = CONCURRENCY if self._database.is_sqlite else _CLAIMED_AT_ONCE
        return max(0, most - len(_executing))

    async def holders(self, session: Session) -> set[str]:
        """Ids of the executors that hold tickets, or that execute runs without one."""
        statement = ticket_statements.SELECT_HOLDERS[session.dialect]
        return set((await session.execute(statement)).scalars())

    async def take_back(self, session: Session, executors: Collection[str]) -> int:
        """Return all tickets held by these executors to their lanes in this transaction. Returns their number.

        Their runs without a ticket get one. A later outcome from such an executor is ignored.
        """
        # Runs are locked before tickets, as everywhere.
        taken = await direct_runs.take_back(session, executors)
        await self.enqueue_many(session, taken)
        values = {"executors": list(executors)}
        return len(taken) + await self._take_back(session, ticket_statements.TAKE_BACK, values)

    async def unstarted(self) -> set[str]:
        """Tickets that this process has claimed, and that no handler executes.

        A ticket is among them for a moment when it starts or ends. So are those that runs without a ticket would have.
        """
        async with self._database.reading() as session:
            statement = ticket_statements.SELECT_CLAIMED[session.dialect]
            claimed = await session.execute(statement, {"executor": _executor_id})
            unstarted = {ticket for ticket in claimed.scalars() if ticket not in _started}
            direct = await direct_runs.of_worker(session, _executor_id)
            return unstarted | {
                str(Ticket(run_id, direct_runs.TICKET)) for run_id in direct.difference(_executing)
            }

    async def unreceived(self) -> set[str]:
        """Tickets that this process has claimed, and that the library does not know about: the response was lost.

        A ticket is also among them for a moment when it is claimed or ends. Reads nothing if no claim has failed lately.
        """
        if time.monotonic() - _claim_failed_at > _FAILED_LATELY_SECONDS:
            return set()
        return {ticket for ticket in await self.unstarted() if ticket not in _received}

    async def take_back_unstarted(
        self, tickets: Collection[str], patience: float = PATIENT_SECONDS
    ) -> int:
        """Return tickets that this process has claimed to their lanes. Returns the number of tickets."""
        values = {"executors": [_executor_id], "ids": list(tickets)}
        subjects = {Ticket.parse(ticket).subject_id for ticket in tickets}
        _received.difference_update(tickets)
        async with self._database.transaction(patience) as session:
            taken = await direct_runs.take_back(session, [_executor_id], subjects)
            await self.enqueue_many(session, taken)
            some = await self._take_back(session, ticket_statements.TAKE_BACK_SOME, values)
            return len(taken) + some

    async def _take_back(
        self, session: Session, statements: Mapping[str, sa.TextClause], values: Mapping[str, Any]
    ) -> int:
        taken = 0
        statement = statements[session.dialect]
        for lane in (lane for queue in Queue for lane in queue.lanes):
            if number := (await session.execute(statement, {"queue": lane, **values})).rowcount:
                taken += number
                session.after_commit(partial(self._changes.publish, TICKETS_WAITING, lane))
        return taken

    async def finished(self, limit: int, queue: Queue = Queue.RUNS) -> list[Ticket]:
        """Up to `limit` finished tickets of a queue, oldest first."""
        found = await self._connect().list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            name=queue.workflow,
            limit=limit,
            load_input=False,
            load_output=False,
        )
        return [Ticket.parse(workflow.workflow_id) for workflow in found]

    async def delete(self, tickets: list[Ticket]) -> None:
        """Delete finished tickets."""
        await self._connect().delete_workflows_async([str(ticket) for ticket in tickets])

    async def close(self, patience: float) -> None:
        """Claim no more tickets, and return those to their lanes that no handler executes yet.

        Without it, a worker that finishes its work before it stops would claim tickets that it refuses to execute, and
        no other worker could have them until it has stopped.

        Args:
            patience: seconds to wait for the database.

        Raises:
            StoreUnavailable: no ticket was returned.
        """
        if self._is_working:
            await asyncio.to_thread(LANES.close, patience)
            if refused := await self.unstarted():
                await self.take_back_unstarted(refused, patience)

    async def stop(self) -> None:
        """Stop executing tickets. All tickets in progress must have been drained before."""
        global _executor_id, _executing, _claim_failed_at
        if self._is_working:
            self._is_working = False
            try:
                await until_returned(_OUTCOME_SECONDS)
            finally:
                # Its own wait for workflows in flight, in whole seconds, is not used: they are already drained.
                stopping = asyncio.create_task(asyncio.to_thread(DBOS.destroy))
            while not stopping.done():
                # A queue thread checks for the stop only when its pause ends. The library has a queue of its own, too.
                LANES.wake()
                await asyncio.wait({stopping}, timeout=_WAKE_SECONDS)
            await stopping
            _executor_id, _executing = "", ()
            _handlers.clear()
            _finished.clear()
            _started.clear()
            _received.clear()
            _claim_failed_at = -math.inf
            # The library shuts down the loop's default executor.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
        if self._client is not None:
            self._client.destroy()
        if self._engine is not None:
            self._engine.dispose()
        self._client = self._engine = None


def _otherwise(subject_id: UUID, first_id: UUID, first_position: int) -> str:
    return "0" if subject_id == first_id else str(first_position)


async def finish(session: Session, tickets: Sequence[Ticket]) -> None:
    """Delete tickets in the transaction that ends their runs or deliveries. They are not executed again."""
    if not tickets:
        return
    ids = [str(ticket) for ticket in tickets]
    for statement in ticket_statements.DELETE[session.dialect]:
        await session.execute(statement, {"ids": ids})
    if _handlers:
        session.after_commit(partial(_finished.update, ids))


async def lost(session: Session, tickets: Sequence[Ticket]) -> set[Ticket]:
    """Those of some tickets that this worker held, and that have been reclaimed from it.

    After an outage of the database, a worker may still execute them, and another worker as well.
    """
    if not tickets or not _executor_id or session.dialect == "sqlite":
        return set()  # No other worker can reclaim one.
    values = {"ids": [str(ticket) for ticket in tickets], "executor": _executor_id}
    found = await session.execute(ticket_statements.SELECT_LOST, values)
    return set(map(Ticket.parse, found.scalars()))


def _wake(lane: Json) -> None:
    LANES.wake(None if lane is None else str(lane))


def prepare(url: URL) -> None:
    """Create or migrate the library's tables. Does nothing if they are current."""
    with migrate.alone(url):
        DBOS.migrate(url.set(drivername=_driver(url)).render_as_string(hide_password=False))


def _driver(url: URL) -> str:
    return "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
