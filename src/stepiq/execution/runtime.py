"""The engine's interface for the rest of the server: accept and cancel runs, start and stop a worker."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from contextvars import Context
from datetime import timedelta
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from stepiq.core.concurrency.tasks import cancel, cancel_once, is_cancelled
from stepiq.core.errors import StepIQError
from stepiq.core.http import GuardedClient
from stepiq.core.json import Json
from stepiq.core.observability import logging, metrics
from stepiq.execution.admission import pinning, retries
from stepiq.execution.admission.control import Admission
from stepiq.execution.admission.given_outputs import UNCHECKED, OutputIssues
from stepiq.execution.admission.waking import wake_for_ever
from stepiq.execution.definitions import Definitions
from stepiq.execution.dependencies import Dependencies
from stepiq.execution.handlers import handlers
from stepiq.execution.journal import reading
from stepiq.execution.journal.retention import sweep_for_ever
from stepiq.execution.journal.writing import ClaimLost, Journal
from stepiq.execution.limits import usage
from stepiq.execution.limits.plans import Plans
from stepiq.execution.protocols import Outbox, SecretReader
from stepiq.execution.records.run import NOTHING, ClaimedRun, NewDelivery, NewRun, Reuse
from stepiq.execution.records.trace_queue import TraceQueue
from stepiq.execution.stubs import Stubs
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.step_types import packages
from stepiq.language.schemas.work import ValidationMeter
from stepiq.providers.registry import Providers
from stepiq.queue import workers
from stepiq.queue.recovery import Recovery
from stepiq.queue.ticket import Queue
from stepiq.queue.tickets import TicketHandler, TicketQueue, claim_if_room
from stepiq.queue.worker_lease import presence_of
from stepiq.queue.workers import WorkerState
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.pubsub import GAP, RUN_CANCELLED, Changes

if TYPE_CHECKING:
    from stepiq.execution.interpreter.executor import Executor

log = logging.get(__name__)

_SETTLE_SECONDS = 0.5
_STORE_RETRY_SECONDS = 1.0
_LAST_SECONDS = 2.0
_WARM_AFTER_SECONDS = 1.0
"""The code that executes steps and the price list of models load after this delay, or when the first run needs them.

They would slow down the start, and short commands don't need them.
"""

Done = TypeVar("Done")


class Engine:
    """Executes the runs of one database in this process.

    A run fails after `crash_limit` consecutive crashes without progress, or ten times as many in total; 0 means no limit.
    With `exports_traces`, ended runs are queued for the export of their traces.
    """

    def __init__(
        self,
        database: Database,
        changes: Changes,
        providers: Providers,
        plans: Plans,
        http: GuardedClient,
        *,
        definitions: Definitions | None = None,
        outbox: Outbox | None = None,
        secrets: SecretReader | None = None,
        stubs: Stubs | None = None,
        crash_limit: int = 0,
        exports_traces: bool = False,
    ) -> None:
        self.definitions = definitions or Definitions()
        """Compiled versions, shared with the validation of input."""
        self._database = database
        self._changes = changes
        self._providers = providers
        self._presence = presence_of(database)
        self._tickets = TicketQueue(database, changes)
        self._recovery = Recovery(database, changes, self._tickets, self._presence)
        self._admission = Admission(changes, self._tickets, plans, TraceQueue(exports_traces))
        self._admission.worker = self
        self._outbox = outbox
        self._secrets = secrets
        self._journal = Journal(database, self._admission, self._tickets, outbox)
        self._dependencies = Dependencies(
            database,
            providers,
            http,
            changes,
            stubs=stubs,
            exports_traces=exports_traces,
        )
        self._crash_limit = crash_limit
        self._executing: dict[UUID, asyncio.Task[None]] = {}
        self._claims: dict[UUID, int] = {}
        self._claimed_before: dict[UUID, int] = {}
        """The claims of this worker to runs that it claims again. Equal to `_claims` until the new number is known."""
        self._delivering: dict[UUID, asyncio.Task[bool]] = {}
        self._stopping = asyncio.Event()
        self._cancelled: set[UUID] = set()
        self._background: list[asyncio.Task[None]] = []
        self.is_ready = False
        """Whether the engine executes runs."""

    @cached_property
    def _executor(self) -> "Executor":
        from stepiq.execution.interpreter.executor import Executor  # noqa: PLC0415

        return Executor(
            self._database,
            self._journal,
            self.definitions,
            self._dependencies,
            self._secrets,
            crash_limit=self._crash_limit,
        )

    @property
    def worker_name(self) -> str:
        """The name of this worker in log events and in the list of workers. Each engine has its own."""
        return self._presence.executor_id

    async def start(self) -> None:
        """Start executing runs, including those that a crash interrupted.

        Raises:
            InstallationIncomplete: a built-in step type is not registered.
            StepTypeConflict: two packages have a step type of the same name.
            WorkerRunning: another process works on this SQLite file.
            StoreUnavailable, StoreRefused: the database cannot be used.
        """
        packages()
        await self._presence.acquire()
        try:
            await self._begin()
        except BaseException:
            await self.stop(timedelta())
            raise

    async def _begin(self) -> None:
        listening = asyncio.Event()
        self._background = [
            asyncio.create_task(self._watch_cancels(listening)),
            asyncio.create_task(self._warm()),
            asyncio.create_task(sweep_for_ever(self._database, self._tickets)),
            asyncio.create_task(wake_for_ever(self._database, self._admission)),
            asyncio.create_task(self._recovery.take_back_unstarted_for_ever()),
        ]
        if self._database.is_sqlite:
            # A SQLite file has one worker at a time, so all claimed tickets belong to one that has died.
            await self._recovery.take_over()
        watch = self._recovery.run_for_ever(self._claims, self._overtaken)
        self._background.append(asyncio.create_task(watch))
        await listening.wait()
        self._stopping.clear()
        self.is_ready = True
        ticket_handlers: dict[Queue, TicketHandler] = {Queue.RUNS: self._execute}
        if self._outbox is not None:
            ticket_handlers[Queue.DELIVERIES] = self._deliver
        await self._tickets.launch(
            self._presence.executor_id, ticket_handlers, self._executing.keys()
        )

    async def _warm(self) -> None:
        await asyncio.sleep(_WARM_AFTER_SECONDS)
        await asyncio.to_thread(_load)
        await self._providers.warm()

    async def stop(self, drain: timedelta = timedelta(seconds=25)) -> None:
        """Finish what can be finished within `drain`; the rest continues on another worker or after the next start."""
        self.is_ready = False
        self._stopping.set()
        closing = asyncio.create_task(self._close_queue())
        if tasks := self._in_hand():
            await asyncio.wait(tasks, timeout=drain.total_seconds())
        await closing
        unfinished = dict(self._claims)
        for task in self._in_hand():
            cancel_once(task)
        while tasks := self._in_hand():
            await asyncio.wait(tasks)
            await asyncio.sleep(0)
        await self._tickets.stop()
        if self._secrets is not None:
            await self._secrets.settle()
        with suppress(StoreUnavailable):
            await self._journal.release(unfinished, _LAST_SECONDS)
            await self._recovery.take_crashes_back(_LAST_SECONDS)
            # Lets another worker continue immediately.
            async with self._database.transaction(_LAST_SECONDS) as session:
                await self._tickets.take_back(session, [self._presence.executor_id])
        await cancel(self._background)
        self._background = []
        await self._dependencies.close()
        await self._presence.release()

    async def _close_queue(self) -> None:
        with suppress(StoreUnavailable):
            await self._tickets.close(_LAST_SECONDS)

    async def accept(self, session: Session, run: NewRun) -> None:
        """Insert a run in the caller's transaction. If a slot is free, it starts within milliseconds of the commit.

        Raises:
            PlanRunsExhausted: the workspace has reached its plan's limit of runs per day.
            PlanCreditsExhausted: the run needs credits, and none are left this month.
            QueueFull: the workspace has reached its plan's limit of waiting runs.
            VersionNotFound: the version was deleted after it had been read.
        """
        await self._admission.accept(session, run)

    async def accept_many(
        self, session: Session, wanted: Sequence[NewRun]
    ) -> list[StepIQError | None]:
        """Accept several runs; returns the refusal of each, or None if it was accepted. See `accept`.

        Much cheaper than separate calls. Refusals are returned per run; a failure of the store is raised for all.
        """
        return await self._admission.accept_many(session, wanted)

    def holding_backlog(self) -> AbstractContextManager[None]:
        """While in this block, runs of backlogs do not begin in this process; see `TicketQueue.holding_backlog`."""
        return self._tickets.holding_backlog()

    async def plan_retry(
        self,
        session: Session,
        run_id: UUID,
        error: Mapping[str, Json] | None,
        definition: Definition,
        *,
        start: str,
        outputs: Mapping[str, Json],
        checked: OutputIssues = UNCHECKED,
    ) -> Reuse:
        """The steps that a retry of a run reuses. The arguments are those of `retries.plan`.

        The caller must have checked access to the run.

        Raises:
            RetryInvalid: the run cannot be retried from this step, or with these outputs.
        """
        if start == retries.START and not outputs:
            return NOTHING
        run = await reading.recorded(session, run_id)
        assert run is not None  # noqa: S101 - the caller has read the run
        return await offload.metered_apart(
            lambda meter: retries.plan(
                run,
                error,
                definition,
                start=start,
                outputs=outputs,
                meter=meter,
                checked=checked,
            ),
            ValidationMeter,
        )

    async def plan_step(
        self,
        session: Session,
        from_run: UUID | None,
        definition: Definition,
        step_id: str,
        outputs: Mapping[str, Json],
        checked: OutputIssues = UNCHECKED,
    ) -> tuple[str, Reuse]:
        """The step that a run of one step executes, and the outputs of others; see `pinning.pin`.

        The caller must have checked access to the run.

        Raises:
            StepRunInvalid: the step does not exist, or an output is not one of another step.
        """
        earlier = None
        if from_run is not None:
            earlier = await reading.recorded(session, from_run)
        return await offload.metered_apart(
            lambda meter: pinning.pin(definition, step_id, outputs, earlier, meter, checked),
            ValidationMeter,
        )

    async def workers(self, session: Session) -> list[WorkerState]:
        """All worker processes that are live or hold tickets."""
        return await workers.read(session, self._presence)

    async def send(self, session: Session, recorded: Sequence[NewDelivery]) -> None:
        """Enqueue recorded deliveries in the caller's transaction; they leave within milliseconds of the commit."""
        await self._journal.send(session, recorded)

    @property
    def key_names(self) -> frozenset[str]:
        """Names of the secrets that are keys of model providers."""
        return self._providers.key_names

    def spends_credits(self, definition: Definition, own_keys: Collection[str] = ()) -> bool:
        """Whether a run of the definition may call a model with the server's key, not one of the workspace's keys."""
        models = usage.models_of(definition)
        return any(self._providers.server_pays(model, own_keys) for model in models)

    async def plan_changed(self, session: Session, workspace_id: UUID) -> None:
        """Start runs that wait for a slot, in the transaction that raises the workspace's plan."""
        await self._admission.fill(session, workspace_id)

    async def cancel(self, session: Session, workspace_id: UUID, run_id: UUID) -> None:
        """Cancel a run in the caller's transaction. Its calls in flight are aborted after the commit.

        Raises:
            RunNotCancellable: the run has already ended.
        """
        await self._admission.cancel(session, workspace_id, run_id)

    async def wake(self, session: Session, workspace_id: UUID, run_id: UUID) -> None:
        """Resume a waiting run, in the transaction that resolves the wait and has locked the run."""
        await self._admission.wake(session, [(run_id, workspace_id)])

    async def settled(self, run_id: UUID) -> None:
        """After a cancel's commit: wait up to 0.5 s until the usage of the run is counted."""
        if (task := self._executing.get(run_id)) is not None:
            await asyncio.wait({task}, timeout=_SETTLE_SECONDS)

    def _in_hand(self) -> set[asyncio.Task[Any]]:
        return {*self._executing.values(), *self._delivering.values()}

    async def _execute(self, run_id: UUID) -> None:
        with metrics.tickets_in_hand.labels("run").track_inprogress():
            # If this process has claimed the run before, that claim did not end in a crash.
            work = self._execute_until_ended(run_id, again=run_id in self._claims)
            task = await self._hold(self._executing, run_id, work)
        if task.cancelled() and run_id not in self._cancelled:
            # At shutdown, the ticket must stay open, so that the run continues elsewhere or after the next start.
            raise asyncio.CancelledError
        self._cancelled.discard(run_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def room(self) -> int:
        """How many more runs this process can begin without tickets."""
        return self._tickets.room() if self.is_ready else 0

    def begin(self, run: ClaimedRun) -> None:
        """Begin a run that was accepted for this worker. If it stops, it returns the run with its tickets."""
        if not self.is_ready:
            return
        metrics.tickets_in_hand.labels("run").inc()
        work = self._execute_until_ended(run.id, again=False, claimed=run)
        # What the request has set in its context, such as its workspace, does not belong to the run.
        self._executing[run.id] = task = asyncio.create_task(work, context=Context())
        task.add_done_callback(partial(self._ended, run.id))

    def _ended(self, run_id: UUID, task: asyncio.Task[None]) -> None:
        metrics.tickets_in_hand.labels("run").dec()
        self._remove(self._executing, run_id, task)
        self._cancelled.discard(run_id)
        claim_if_room()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Recovery gives the run a ticket.
            log.error("run_broke", run_id=str(run_id), exc_info=error)

    async def _deliver(self, delivery_id: UUID) -> None:
        assert self._outbox is not None  # noqa: S101 - otherwise the queue has no handler
        work = self._outbox.deliver(delivery_id, self._stopping)
        with metrics.tickets_in_hand.labels("delivery").track_inprogress():
            task = await self._hold(self._delivering, delivery_id, work)
        if task.cancelled() or not task.result():
            raise asyncio.CancelledError

    async def _hold(
        self,
        tasks: dict[UUID, asyncio.Task[Done]],
        subject_id: UUID,
        work: Coroutine[Any, Any, Done],
    ) -> asyncio.Task[Done]:
        """Run the work of a ticket in its own task, and wait until the task ends or is cancelled."""
        if not self.is_ready:
            # While stopping: the ticket stays open, so that the work continues elsewhere or after the next start.
            work.close()
            raise asyncio.CancelledError
        if (overtaken := tasks.get(subject_id)) is not None:
            # Another worker considered this one dead and reclaimed the ticket, which has now come back. With the old
            # claim, `Recovery.let_go` would stop the new task before it has a claim.
            cancel_once(overtaken)
            self._forget_claims(subject_id)
        tasks[subject_id] = task = asyncio.create_task(work)
        try:
            await asyncio.wait({task})
        finally:
            # At shutdown, the ticket itself is cancelled.
            cancel_once(task)
            self._remove(tasks, subject_id, task)
        return task

    def _remove(
        self, tasks: dict[UUID, asyncio.Task[Done]], subject_id: UUID, task: asyncio.Task[Done]
    ) -> None:
        # The subject's next ticket may already have started: it can arrive right after this work's last commit.
        if tasks.get(subject_id) is task:
            del tasks[subject_id]
            self._forget_claims(subject_id)

    def _forget_claims(self, run_id: UUID) -> None:
        self._claims.pop(run_id, None)
        self._claimed_before.pop(run_id, None)

    async def _execute_until_ended(
        self, run_id: UUID, *, again: bool, claimed: ClaimedRun | None = None
    ) -> None:
        while True:
            try:
                await self._execute_or_abandon(run_id, again=again, claimed=claimed)
            except StoreUnavailable:
                log.warning("run_waits_for_store", run_id=str(run_id))
                # The claim may have been committed, even if the result of the commit is unknown.
                again, claimed = True, None
                await asyncio.sleep(_STORE_RETRY_SECONDS)
            except ClaimLost:
                # A task that was overtaken has no claim: the one in the table is its successor's. `Recovery.let_go`
                # may have cancelled this one while its tokens were counted, and then handles the loss.
                task = asyncio.current_task()
                is_current = self._executing.get(run_id) is task and not is_cancelled(task)
                # Removed immediately, so that `Recovery.let_go` does not handle the same loss.
                if is_current and (claim := self._claims.pop(run_id, None)) is not None:
                    self._recovery.claim_lost(run_id, claim)
                return
            else:
                return

    async def _execute_or_abandon(
        self, run_id: UUID, *, again: bool, claimed: ClaimedRun | None
    ) -> None:
        held = self._note_claim(run_id)
        try:
            await self._executor.execute(run_id, self._claims, again=again, claimed=claimed)
        except (ClaimLost, StoreUnavailable):
            raise
        except Exception:
            log.exception("run_broke", run_id=str(run_id))
            await self._executor.abandon(run_id, self._note_claim(run_id))
        else:
            if held is not None and self._claims.get(run_id) == held:
                # Not claimed again: another worker has the run, or it has ended.
                raise ClaimLost

    def _note_claim(self, run_id: UUID) -> int | None:
        """Before a run is claimed again: note and return this worker's last claim, if there is one."""
        claim = self._claims.get(run_id)
        if claim is not None:
            self._claimed_before[run_id] = claim
        return claim

    async def _watch_cancels(self, listening: asyncio.Event) -> None:
        async with self._changes.subscribe(RUN_CANCELLED) as cancels:
            listening.set()
            while True:
                change = await cancels.next()
                if change is not GAP:
                    self.let_go(UUID(change.payload), True)

    def _overtaken(self, run_id: UUID, is_cancelled: bool) -> bool:
        """As `let_go`, for a run that has a newer claim than the last one that this worker knows."""
        # The newer claim can be this worker's own. If it is not, this worker finds that when it claims the run.
        is_claiming = self._claimed_before.get(run_id, -1) == self._claims.get(run_id)
        return (is_cancelled or not is_claiming) and self.let_go(run_id, is_cancelled)

    def let_go(self, run_id: UUID, is_cancelled: bool) -> bool:
        """Stop executing a run; False if it is not executing here or is already being stopped."""
        task = self._executing.get(run_id)
        if task is None:
            return False
        if is_cancelled:
            self._cancelled.add(run_id)
        is_new = cancel_once(task)
        if is_new and not is_cancelled:
            log.info("run_claim_lost", run_id=str(run_id))
        return is_new


def _load() -> None:
    import_module("stepiq.execution.interpreter.executor")
    handlers()
