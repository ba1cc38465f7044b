"""Executes a run from the end of its journal until the run ends or has to wait for long."""

import asyncio
from collections.abc import MutableMapping
from datetime import timedelta
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.concurrency.fairness import act_for
from stepiq.core.concurrency.tasks import end, uninterrupted
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.core.observability import logging
from stepiq.execution.definitions import Definitions
from stepiq.execution.dependencies import Dependencies
from stepiq.execution.interpreter import flow, recording
from stepiq.execution.interpreter.journal_buffer import JournalBuffer
from stepiq.execution.interpreter.run_context import (
    Allowance,
    Parked,
    RunContext,
    SequenceState,
    Sleepers,
    Stopped,
)
from stepiq.execution.journal import reading
from stepiq.execution.journal.writing import ClaimLost, Journal, JournalEntry
from stepiq.execution.outcomes import STOP, FailureCode
from stepiq.execution.protocols import SecretReader
from stepiq.execution.records.run import ClaimedRun, Ending, NewReview, Parking
from stepiq.execution.run_secrets import read_secrets
from stepiq.execution.scope import last_scope, new_scope
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import InvalidDefinition
from stepiq.store.database import PATIENT_SECONDS, Database, StoreUnavailable
from stepiq.store.states import RunStatus, StepStatus
from stepiq.store.tables import run_events, runs


async def restore(database: Database, run: ClaimedRun, limit: timedelta) -> None:
    """Give an expired run the time that it had left at its last recorded event. Applies once per run.

    A long interruption cannot be distinguished from a change of the system clock.

    Args:
        database: the database of the run.
        run: a run that this worker has claimed. Its `deadline_at` is updated.
        limit: the time limit of its pipeline.

    Raises:
        StoreUnavailable: the database does not respond.
    """
    now = clock.now()
    was_restored = run.deadline_at - run.created_at > limit
    if now < run.deadline_at or was_restored:
        return
    async with database.transaction() as session:
        last_sign = await session.scalar(
            sa.select(sa.func.max(run_events.c.created_at)).where(run_events.c.run_id == run.id)
        )
        if last_sign is None or last_sign >= run.deadline_at:
            return
        deadline_at = now + (run.deadline_at - last_sign)
        await session.execute(
            runs.update()
            .where(runs.c.id == run.id, runs.c.claim == run.claim)
            .values(deadline_at=deadline_at)
        )
    log.info("run_deadline_restored", seconds_left=(deadline_at - now).total_seconds())
    run.deadline_at = deadline_at


_IN_TOTAL = 10
"""A run fails after this many times as many crashes in total as in a row."""

log = logging.get(__name__)


class Executor:
    """Executes claimed runs. Keeps no state between runs."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        definitions: Definitions,
        dependencies: Dependencies,
        secrets: SecretReader | None = None,
        *,
        crash_limit: int,
    ) -> None:
        self._database = database
        self._journal = journal
        self._definitions = definitions
        self._dependencies = dependencies
        self._secrets = secrets
        self._crash_limit = crash_limit

    async def execute(
        self,
        run_id: UUID,
        claims: MutableMapping[UUID, int] | None = None,
        *,
        again: bool = False,
        claimed: ClaimedRun | None = None,
    ) -> None:
        """Claim a run and execute it until it ends or is parked. Does nothing if the run cannot be claimed.

        Args:
            run_id: the run.
            claims: receives the claim number, by run id.
            again: this process has claimed the run before.
            claimed: the run, if the transaction that accepted it has claimed it.

        Raises:
            ClaimLost: the run was cancelled, or another worker has claimed it.
            StoreUnavailable: the journal cannot be written. A further call continues from what is recorded.
            asyncio.CancelledError: the task was cancelled. If a user cancelled the run, its usage has been counted.
        """
        run = claimed or await self._journal.claim(run_id, again=again)
        if run is None:
            return
        if claims is not None:
            claims[run_id] = run.claim
        with logging.bound(run_id=str(run_id), claim=run.claim):
            act_for(run.workspace_id)
            log.info("run_started" if run.claim == 1 else "run_continued", recorded=len(run.steps))
            try:
                if self._is_poisoned(run):
                    log.error(
                        "run_poisoned", crashes=run.crashes, crashes_in_total=run.crashes_in_total
                    )
                    await self._fail(run, FailureCode.POISONED, _poisoned(run))
                    return
                await self._dependencies.turns.take(run.workspace_id, _waited_seconds(run))
                await self._execute_claimed(run)
            except ClaimLost:
                log.info("run_claim_lost")
                raise

    def _is_poisoned(self, run: ClaimedRun) -> bool:
        limit = self._crash_limit
        # A run may finish a small step before each crash, so progress does not reset the total.
        return 0 < limit <= max(run.crashes, run.crashes_in_total // _IN_TOTAL)

    async def abandon(self, run_id: UUID, held: int | None = None) -> None:
        """End a run as failed because of a bug in stepIQ, whose details are in the log.

        Args:
            run_id: the run.
            held: the claim under which the error occurred, if any. A run with a newer claim is left alone.

        Raises:
            ClaimLost, StoreUnavailable: as for `execute`.
        """
        run = await self._journal.claim(run_id, held)
        if run is None:
            return
        message = (
            "The run failed because of a bug in stepIQ, not in the pipeline. Ask the operator to look for "
            f"run_id {run_id} in the server's log."
        )
        await self._fail(run, FailureCode.INTERNAL, message)

    async def _fail(self, run: ClaimedRun, code: FailureCode, message: str) -> None:
        """End a run and its unfinished steps as failed, without executing anything."""
        error: dict[str, Json] = {"code": str(code), "message": message, "step_id": None}
        entry = JournalEntry(ending=Ending(RunStatus.FAILED, error=error))
        for record in run.steps.values():
            if record.completed_at is None:
                record.status, record.jump = StepStatus.FAILED, STOP
                record.completed_at = clock.now()
                record.cancel_operations(record.completed_at)
                record.error = {"code": error["code"], "message": error["message"]}
                error["step_id"] = record.step_id
                entry.add(record, recording.ended_event(record))
        await self._journal.write(run, entry)

    async def _execute_claimed(self, run: ClaimedRun) -> None:
        try:
            definition = await self._definition(run)
        except InvalidDefinition as error:
            # For example, a package with one of its step types has been uninstalled.
            log.error("run_definition_invalid", problem=error.message)
            await self._fail(run, FailureCode.DEFINITION_INVALID, error.message)
            return
        dependencies = self._dependencies
        turn = partial(dependencies.turns.take, run.workspace_id, _waited_seconds(run))
        await reading.read_input(run)
        await reading.read_outputs(run.steps.values(), turn)
        if run.is_taken_over:
            await restore(self._database, run, definition.timeout)
        secrets = await read_secrets(
            self._database,
            self._secrets,
            dependencies.providers,
            dependencies.maskers,
            run,
            definition,
        )
        run_context = RunContext(
            run,
            definition,
            secrets,
            JournalBuffer(self._journal, run),
            dependencies,
            Sleepers(),
            waited_seconds=_waited_seconds(run),
        )
        sequence = _whole(run_context) if run.only_step is None else _one_step(run_context)
        try:
            stopped = await self._walk(sequence)
            if isinstance(stopped, Parking):
                await run_context.buffer.park(stopped)
                log.info("run_waits", wake_at=clock.iso(stopped.wake_at))
                return
            await run_context.buffer.end(_ending(sequence, stopped))
        except (asyncio.CancelledError, ClaimLost):
            # A cancel also ends the claim. Its notification may arrive after that was noticed.
            await uninterrupted(self._count_unwritten(run_context))
            raise
        finally:
            run_context.buffer.give_up()
        # The message may quote model output, which is never logged.
        error = None if stopped is None else str(stopped.failed.code)
        status = RunStatus.COMPLETED if stopped is None else RunStatus.FAILED
        log.info("run_ended", status=str(status), error=error)

    async def _walk(self, sequence: SequenceState) -> Stopped | Parking | None:
        asleep = sequence.run_context.sleepers.asleep
        walking = asyncio.create_task(flow.walk(sequence))
        try:
            await asyncio.wait({walking, asleep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end([walking])
        if walking.cancelled():
            return Parking(asleep.result())
        stopped = walking.result()
        return _parking(sequence.run_context, stopped) if isinstance(stopped, Parked) else stopped

    async def _count_unwritten(self, run_context: RunContext) -> None:
        await run_context.buffer.settled()
        run, ends_at = run_context.run, clock.monotonic() + PATIENT_SECONDS
        # A cancel may arrive while a step is in flight, or between the end of a step and its record.
        for record in run.steps.values():
            if record.meter == record.stored_meter and not record.reservation.held:
                continue
            # Errors must not replace the CancelledError, which a stopping server waits for.
            try:
                await self._journal.count_cancelled(run, record)
            except StoreUnavailable:
                log.warning("cancelled_step_not_counted", step_id=record.step_id)
                if clock.monotonic() >= ends_at:
                    # The database is silent, and would be for each of the other steps, too.
                    return
            except Exception:
                log.exception("cancelled_step_count_broke", step_id=record.step_id)

    async def _definition(self, run: ClaimedRun) -> Definition:
        if (found := self._definitions.kept(run.pipeline_id, run.pipeline_version)) is not None:
            return found
        async with self._database.reading() as session:
            return await self._definitions.get(session, run.pipeline_id, run.pipeline_version)


def _waited_seconds(run: ClaimedRun) -> float:
    """How long a run that an earlier claim left has recorded no step, in seconds; 0 for other runs.

    If workers die again and again before they have continued all runs, other runs begin first each time.
    """
    if not run.is_taken_over:
        return 0.0
    recorded = (
        at for record in run.steps.values() for at in (record.started_at, record.completed_at)
    )
    last = max((at for at in recorded if at is not None), default=run.started_at)
    return max(0.0, (clock.now() - last).total_seconds())


def _whole(run_context: RunContext) -> SequenceState:
    definition = run_context.definition
    scope = new_scope(run_context.run, definition, run_context.secrets)
    return SequenceState(run_context, definition.steps, scope, Allowance())


def _one_step(run_context: RunContext) -> SequenceState:
    """The sequence of a run of one step. The outputs of the other steps are recorded with the run."""
    run, definition = run_context.run, run_context.definition
    scope = last_scope(run, definition, run_context.secrets)
    sequence = SequenceState(run_context, definition.steps, scope, Allowance())
    sequence.only = sequence.position(str(run.only_step))
    before = [step.id for step in definition.steps[: sequence.only]]
    outputs = {record.step_id: record.output for record in run.steps.values() if not record.branch}
    last = next((step_id for step_id in reversed(before) if step_id in outputs), None)
    sequence.previous = None if last is None else outputs[last]
    return sequence


def _poisoned(run: ClaimedRun) -> str:
    return (
        f"The worker that executed the run died or stopped responding {run.crashes_in_total} times,"
        f" {run.crashes} of them in a row without a finished step or call. The run was therefore stopped. Ask the operator"
        f" to look for run_id {run.id} in the server's log. If the cause is elsewhere, retry the run."
    )


def _ending(sequence: SequenceState, stopped: Stopped | None) -> Ending:
    if stopped is not None:
        error: dict[str, Json] = {
            "code": str(stopped.failed.code),
            "message": stopped.failed.message,
            "step_id": stopped.step_id,
        }
        return Ending(RunStatus.FAILED, error=error)
    is_whole = sequence.only is None
    wanted = sequence.run_context.definition.output_from if is_whole else None
    output = sequence.output if wanted is None else sequence.scope["steps"][wanted]["output"]
    written = (
        record.written
        for record in sequence.run_context.run.steps.values()
        if record.output is output
    )
    return Ending(
        RunStatus.COMPLETED,
        output=output,
        written=next(written, None),
        failed_steps=sequence.run_context.run.failed_steps(),
    )


def _parking(run_context: RunContext, parked: Parked) -> Parking:
    record, question = parked.record, parked.question
    # No wait extends past the run's deadline.
    wake_at = min(parked.until, run_context.run.deadline_at)
    if question is None:
        return Parking(wake_at)
    assert record.started_at is not None  # noqa: S101 - set when the wait was recorded
    review = NewReview(
        id=uuid7(),
        step_id=record.step_id,
        iteration=record.iteration,
        message=question.message,
        input=question.input,
        editable=question.editable,
        assignees=question.assignees,
        requested_at=record.started_at,
        expires_at=wake_at,
    )
    return Parking(wake_at, review)
