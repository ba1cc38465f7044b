"""The only door to the durable queue (DBOS Transact).

A ticket says "someone must carry this on" and nothing else: its argument is the id of a run or of a delivery, its result
is null, and what has been done is in our own rows. A ticket goes in the transaction that ends its run or delivery. Each queue has two lanes: one for the first few that a workspace has
under way, so that no other's thousands can take all places, and one for the rest. A lane polls once a second as a safety
net and is woken at commit.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig
from dbos import _queue as dbos_queue  # pyright: ignore[reportPrivateUsage] - see _woken_queue_worker
from dbos._serialization import DBOSPortableJSON
from dbos._sys_db import SystemDatabase
from sqlalchemy.engine import URL

from stepiq.core import logging
from stepiq.core.json import Json
from stepiq.store import migrate
from stepiq.store.database import PATIENT_SECONDS, Database, Session, prepare_sqlite
from stepiq.store.pubsub import TICKETS_WAITING, Changes

log = logging.get(__name__)

CONCURRENCY = 500
"""Tickets of one lane that a worker process carries at once. Nothing else limits how many receivers may be slow."""
FIRST = 3
"""Up to this priority a ticket is among the first of its workspace."""

# A constant: tickets carry no code, so every version of ours may take over every other's.
_APPLICATION_VERSION = "1"
_POLL_SECONDS = 1.0
_THREADS = 8
_WAKE_SECONDS = 0.02
_RECOVERIES = 1_000_000

# Of the library's schema on PostgreSQL; on SQLite its tables are among ours.
_SCHEMAS = {"sqlite": "", "postgresql": "dbos."}
# What a ticket does not name is the column's default.
_STATUS = """\
(
    workflow_uuid, name, queue_name, priority, creator_xid, application_version,
    status, serialization, recovery_attempts, attributes, is_debounced
) VALUES (
    :id, :name, :queue, :priority, :creator, :version,
    'ENQUEUED', 'portable_json', 0, 'null', false
) ON CONFLICT (workflow_uuid) DO NOTHING"""
_INPUT = "(workflow_uuid, inputs) VALUES (:id, :inputs) ON CONFLICT (workflow_uuid) DO NOTHING"

# What the library writes when it recovers tickets, for all of them at once.
_TAKE_BACK = """\
workflow_status SET status = 'ENQUEUED', owner_xid = NULL, started_at_epoch_ms = NULL
WHERE status = 'PENDING' AND executor_id IN :executors RETURNING queue_name"""
_STATUSES_OF = "workflow_status WHERE workflow_uuid IN :ids"
_INPUTS_OF = "workflow_input WHERE workflow_uuid IN :ids"
_HOLDERS = "workflow_status WHERE status = 'PENDING' AND executor_id IS NOT NULL"

Carry = Callable[[UUID], Awaitable[None]]


class Queue(StrEnum):
    """What there are tickets for. One queue's backlog holds up no other's."""

    RUNS = "runs"
    DELIVERIES = "deliveries"

    @property
    def workflow(self) -> str:
        """Name of the workflow behind its tickets, which tells them apart in the library's tables."""
        return "carry" if self is Queue.RUNS else "deliver"

    @property
    def lanes(self) -> tuple[str, str]:
        """Its queues in the library: of the first tickets of workspaces, and of all others."""
        return f"{self}-first", str(self)

    def lane(self, priority: int) -> str:
        """Where a ticket of that priority waits."""
        return self.lanes[priority > FIRST]


@dataclass(frozen=True, slots=True)
class Ticket:
    """The n-th request to carry a run or a delivery on."""

    subject_id: UUID
    number: int

    def __str__(self) -> str:
        return f"{self.subject_id}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> "Ticket":
        """Read what `str` wrote."""
        subject_id, _, number = text.partition(":")
        return cls(UUID(subject_id), int(number))


class _Wake:
    """Stands in for the queue thread's stop event, so that a commit can end its pause."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.event = threading.Event()

    def is_set(self) -> bool:
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.event.wait(timeout)
        self.event.clear()
        return self._stop.is_set()


_wakes: dict[str, _Wake] = {}
_queue_worker = dbos_queue.queue_worker_thread


def _woken_queue_worker(stop: threading.Event, instance: DBOS, queue: Any) -> None:
    _wakes[queue.name] = wake = _Wake(stop)
    _queue_worker(wake, instance, queue)  # pyright: ignore[reportArgumentType] - the two methods it calls


# The queue has no public way to be woken; without one, a run would start up to a second late.
dbos_queue.queue_worker_thread = _woken_queue_worker


_finished: set[str] = set()
"""Tickets that are gone and whose workflows have not returned yet."""
_update_outcome = SystemDatabase.update_workflow_outcome


def _note_outcome(
    system: SystemDatabase, workflow_id: str, *arguments: Any, **options: Any
) -> bool:
    if workflow_id in _finished:
        _finished.discard(workflow_id)
    else:
        _update_outcome(system, workflow_id, *arguments, **options)
    # Where nothing was updated, the ticket is another worker's by now, or gone: the library would ask for its outcome for ever.
    return True


# The library has no way to end a workflow in a transaction of ours; a run would cost one more for its ticket alone.
SystemDatabase.update_workflow_outcome = _note_outcome  # pyright: ignore[reportAttributeAccessIssue] - called by position and name


def _inserts(schema: str) -> tuple[sa.TextClause, sa.TextClause]:
    return (
        sa.text(f"INSERT INTO {schema}workflow_status {_STATUS}"),
        sa.text(f"INSERT INTO {schema}workflow_input {_INPUT}"),
    )


_INSERTS = {dialect: _inserts(schema) for dialect, schema in _SCHEMAS.items()}
_TAKES_BACK = {
    dialect: sa.text(f"UPDATE {schema}{_TAKE_BACK}").bindparams(
        sa.bindparam("executors", expanding=True)
    )
    for dialect, schema in _SCHEMAS.items()
}
_DELETES = {
    dialect: tuple(
        sa.text(f"DELETE FROM {schema}{rows}").bindparams(sa.bindparam("ids", expanding=True))  # noqa: S608 - constants
        for rows in (_STATUSES_OF, _INPUTS_OF)
    )
    for dialect, schema in _SCHEMAS.items()
}
_ASKS_FOR_HOLDERS = {
    dialect: sa.text(f"SELECT DISTINCT executor_id FROM {schema}{_HOLDERS}")  # noqa: S608 - constants
    for dialect, schema in _SCHEMAS.items()
}


# For the workflows, which the library calls by name: what this process does with a ticket.
_carriers: dict[Queue, Carry] = {}


@DBOS.workflow(name=Queue.RUNS.workflow, max_recovery_attempts=_RECOVERIES)
async def _carry(run_id: str) -> None:
    await _carriers[Queue.RUNS](UUID(run_id))


@DBOS.workflow(name=Queue.DELIVERIES.workflow, max_recovery_attempts=_RECOVERIES)
async def _deliver(delivery_id: str) -> None:
    await _carriers[Queue.DELIVERIES](UUID(delivery_id))


class TicketQueue:
    """Puts tickets into their queues and, in a worker, takes them out. One per process."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        # Anybody's commit wakes the queues of everybody.
        changes.hear(TICKETS_WAITING, _wake)
        self._engine: sa.Engine | None = None
        self._client: DBOSClient | None = None
        self._is_working = False

    async def launch(self, executor_id: str, carriers: Mapping[Queue, Carry]) -> None:
        """Start to take tickets; call it on the event loop that shall do the work.

        Args:
            executor_id: whose tickets those are that this process has in hand; no other process, past ones included, has it.
            carriers: for each queue, what brings one run or delivery as far as it goes; a ticket whose call is cancelled is
                handed out again.
        """
        _carriers.update(carriers)
        client = self._connect()
        config: DBOSConfig = {
            "name": "stepiq",
            "system_database_url": self._database.url.render_as_string(hide_password=False),
            "system_database_engine": self._engine,
            "application_version": _APPLICATION_VERSION,
            "executor_id": executor_id,
            "serializer": DBOSPortableJSON,
            "max_executor_threads": _THREADS,
            "enable_otlp": False,
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": 0.05 if self._database.is_sqlite else 1.0,
        }
        DBOS(config=config)
        # Before the launch: a queue that is registered later is noticed up to a second late.
        for lane in (lane for queue in carriers for lane in queue.lanes):
            await client.register_queue_async(
                lane, worker_concurrency=CONCURRENCY, polling_interval_sec=_POLL_SECONDS
            )
        DBOS.launch()
        self._is_working = True

    def _connect(self) -> DBOSClient:
        if self._client is None:
            self._engine = self._make_engine()
            self._client = DBOSClient(
                system_database_engine=self._engine, serializer=DBOSPortableJSON
            )
        return self._client

    def _make_engine(self) -> sa.Engine:
        if self._database.is_sqlite:
            engine = sa.create_engine(
                self._database.url, pool_size=1, max_overflow=0, hide_parameters=True
            )
            prepare_sqlite(engine, begin=None)
            return engine
        return migrate.sync_engine(self._database.url, may_idle=False)

    async def enqueue(
        self,
        session: Session,
        subject_id: UUID,
        number: int,
        priority: int,
        queue: Queue = Queue.RUNS,
    ) -> None:
        """Put ticket `number` of a run or delivery into its queue, in this transaction; lower priorities go first."""
        await self.enqueue_many(session, [(subject_id, number, priority)], queue)

    async def enqueue_many(
        self,
        session: Session,
        tickets: Sequence[tuple[UUID, int, int]],
        queue: Queue = Queue.RUNS,
    ) -> None:
        """Do as `enqueue` for several: subject, number and priority of each."""
        rows = [
            {
                "id": str(Ticket(subject_id, number)),
                "name": queue.workflow,
                "queue": queue.lane(priority),
                "priority": priority,
                "creator": str(uuid4()),
                "version": _APPLICATION_VERSION,
                "inputs": f'{{"namedArgs":{{}},"positionalArgs":["{subject_id}"]}}',
            }
            for subject_id, number, priority in tickets
        ]
        # Row by row and column by column what the library's `enqueue_in_transaction` writes, which puts together and compiles
        # two statements for each ticket.
        for statement in _INSERTS[session.connection.dialect.name]:
            await session.execute(statement, rows)
        for lane in {str(row["queue"]) for row in rows}:
            session.after_commit(partial(self._changes.publish, TICKETS_WAITING, lane))

    async def holders(self, session: Session) -> set[str]:
        """Executors that have tickets in hand."""
        statement = _ASKS_FOR_HOLDERS[session.connection.dialect.name]
        return set((await session.execute(statement)).scalars())

    async def take_back(self, executors: Collection[str], patience: float = PATIENT_SECONDS) -> int:
        """Put all tickets that executors have in hand back into their queues, and say how many there were.

        What one of them goes on to say of such a ticket counts no more.
        """
        async with self._database.transaction(patience) as session:
            statement = _TAKES_BACK[session.connection.dialect.name]
            taken = await session.execute(statement, {"executors": list(executors)})
            lanes = list(taken.scalars())
            for lane in set(lanes):
                session.after_commit(partial(self._changes.publish, TICKETS_WAITING, lane))
        return len(lanes)

    async def finished(self, limit: int, queue: Queue = Queue.RUNS) -> list[Ticket]:
        """Up to `limit` tickets of a queue that nobody will work on any more, the oldest first."""
        found = await self._connect().list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            name=queue.workflow,
            limit=limit,
            load_input=False,
            load_output=False,
        )
        return [Ticket.parse(workflow.workflow_id) for workflow in found]

    async def delete(self, tickets: list[Ticket]) -> None:
        """Forget finished tickets."""
        await self._connect().delete_workflows_async([str(ticket) for ticket in tickets])

    async def stop(self) -> None:
        """Take no more tickets; whoever carries one must have stopped before."""
        if self._is_working:
            self._is_working = False
            # Its own wait for workflows in flight counts in whole seconds; ours have been drained already.
            stopping = asyncio.create_task(asyncio.to_thread(DBOS.destroy))
            while not stopping.done():
                # A queue's thread sees the stop only when its pause ends; the library has one of its own, too.
                for wake in _wakes.values():
                    wake.event.set()
                await asyncio.wait({stopping}, timeout=_WAKE_SECONDS)
            await stopping
            _carriers.clear()
            _finished.clear()
            # The library's shutdown leaves the loop with a dead default executor.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
        if self._client is not None and self._engine is not None:
            self._client.destroy()
            self._engine.dispose()
            self._client = self._engine = None


async def finish(session: Session, tickets: Sequence[Ticket]) -> None:
    """Use tickets up in this transaction, with what they are for: nobody is called with them any more."""
    ids = [str(ticket) for ticket in tickets]
    for statement in _DELETES[session.connection.dialect.name]:
        await session.execute(statement, {"ids": ids})
    if _carriers:
        session.after_commit(partial(_finished.update, ids))


def _wake(lane: Json) -> None:
    """Have a lane looked at now; None means all."""
    for name, wake in list(_wakes.items()):
        if lane is None or name == lane:
            wake.event.set()


def prepare(url: URL) -> None:
    """Create or bring up to date the queue's own tables; does nothing on a current database."""
    with migrate.alone(url):
        DBOS.migrate(url.set(drivername=_driver(url)).render_as_string(hide_password=False))


def _driver(url: URL) -> str:
    return "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
