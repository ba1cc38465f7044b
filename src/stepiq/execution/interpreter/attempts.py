"""Calls the handler of a step with a time limit, and retries failed attempts."""

import asyncio
import random
from datetime import timedelta
from typing import TypeVar

from stepiq.core import clock
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.chain import CHAIN
from stepiq.execution.calls.record import record_replies
from stepiq.execution.calls.requests import AskPerson, OperationFailed, Request, Suspended
from stepiq.execution.calls.stub import Given
from stepiq.execution.context import StepContext
from stepiq.execution.handlers import handlers
from stepiq.execution.interpreter.recording import which
from stepiq.execution.interpreter.run_context import Parked, RunContext, SequenceState
from stepiq.execution.interpreter.text_stream import TextStream
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Result
from stepiq.execution.records import events
from stepiq.execution.records.run import StepRecord
from stepiq.language.definitions.step import Retry, Step
from stepiq.store.states import StepStatus

_JITTER = 0.2
MAX_CALLS = 1_000
"""Maximum number of calls in one attempt of a step: each is a row, which is read when the step continues."""

R = TypeVar("R")


class _Attempts:
    """The attempts of one execution of a step."""

    def __init__(self, sequence: SequenceState, step: Step, record: StepRecord) -> None:
        self._run_context = sequence.run_context
        self._step = step
        self._record = record
        self._handler = handlers()[step.type]
        self._has_begun = False
        """Whether the current attempt has made a call or asked a question."""
        self._is_recorded = False
        """Whether the start of the current attempt is recorded."""
        self._limit = asyncio.timeout(None)
        """The time limit of the current attempt."""
        self._own_limit: timedelta | None = None
        """The step's own limit, if it is the one that applies."""
        dependencies = self._run_context.dependencies
        masker = self._run_context.secrets.masker
        self._text = TextStream(dependencies.changes, self._run_context.run.id, record, masker)
        self._number = 0
        """Number of the last call of the current attempt."""
        attempt = record.failures + 1
        self._last_recorded = max(
            (each.number for each in record.operations if each.attempt == attempt), default=0
        )
        """Number of the last call of the current attempt that was recorded before an interruption; 0 if there was none."""
        self._earlier: list[Call] = []
        self._one_call = asyncio.Lock()
        assert record.started_at is not None  # noqa: S101 - set by `execute`
        self._context = StepContext(
            run=self._run_context.run,
            step=step,
            scope=sequence.scope,
            previous=sequence.previous,
            started_at=record.started_at,
            secrets=self._run_context.secrets,
            note=self._note,
            send=self._send,
        )

    async def run(self) -> Result | Parked:
        """Attempt the step until it has a result, has to wait, or no further attempt is allowed."""
        step, record = self._step, self._record
        while True:
            self._has_begun = self._is_recorded = False
            self._number, self._earlier = 0, []
            result = await self._attempt()
            await self._text.flush()
            if self._earlier and not isinstance(result, Completed):
                # After a wait, the handler needs the replies. After a failure, people do.
                await record_replies(self._earlier)
                self._run_context.buffer.update(record)
            if not isinstance(result, Failed):
                return result
            if not self._has_begun and not step.spec.is_pure:
                # The attempt failed before its first call.
                await record_start(self._run_context, record)
            record.failures += 1
            self._last_recorded = 0
            if not result.is_retryable or record.failures >= step.retry.max_attempts:
                return result
            late = await self._pause(result)
            if late is not None:
                return late

    async def _attempt(self) -> Result | Parked:
        self._own_limit = None
        self._limit = asyncio.timeout(max(0.0, self._run_context.left.total_seconds()))
        try:
            async with self._limit:
                return await self._handler.run(self._step.spec, self._context)
        except OperationFailed as error:
            return error.failed
        except Given as given:
            return given.outcome
        except Suspended as suspended:
            return Parked(self._record, suspended.until, suspended.question)
        except TimeoutError:
            if not self._limit.expired():
                raise
            if self._own_limit is None:
                return self._run_context.out_of_time()
            return Failed(
                FailureCode.STEP_TIMEOUT,
                f"The attempt took longer than `timeout_seconds` ({self._own_limit.total_seconds():g}). Raise it, or make the step do"
                " less.",
                is_retryable=self._step.retry.on_timeout,
            )

    def _start_limit(self) -> None:
        """Apply the step's own time limit from now on, if it ends before the run's.

        It does not cover what the handler does before, such as rendering, because computations of a workspace wait for
        each other.
        """
        if not self._step.spec.limits_itself and self._step.timeout is not None:
            self._limit_to(self._step.timeout, self._step.timeout.total_seconds())

    def _limit_to(self, own: timedelta, seconds: float) -> None:
        if seconds < self._run_context.left.total_seconds():
            self._own_limit = own
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _pause(self, failed: Failed) -> Failed | None:
        """Wait before the next attempt; returns a failure if the run's time is over after the wait."""
        record = self._record
        pause = pause_before_retry(self._step.retry, record.failures, failed.retry_after)
        message = await self._run_context.secrets.as_recorded(
            f"Attempt {record.attempts} failed. {failed.message} "
            f"The next attempt starts in {pause.total_seconds():.1f} s."
        )
        self._note("warning", message, is_masked=True)
        await self._save()
        if record.reservation.held:
            # The attempt was stopped while its call was recorded, so the call did not release its reservation.
            record.reservation.is_used = False
            await self._save()
        await asyncio.sleep(max(0.0, min(pause, self._run_context.left).total_seconds()))
        return self._run_context.too_late()

    async def _send(self, request: Request[R]) -> R:
        self._number += 1
        if self._number > MAX_CALLS:
            raise OperationFailed(
                Failed(
                    FailureCode.STEP_LIMIT,
                    f"The step has made {MAX_CALLS:,} calls, which is the maximum. Divide its work into several steps.",
                ),
                was_made=False,
            )
        call = Call(
            request=request,
            number=self._number,
            run=self._run_context.run,
            step=self._step,
            record=self._record,
            secrets=self._run_context.secrets,
            dependencies=self._run_context.dependencies,
            begin=self._begin,
            save=self._save_unlimited,
            note=self._note,
            stream_text=self._text.add,
            announce=self._announce,
            earlier=self._earlier,
            is_new_question=not self._record.has_waited,
        )
        # A step has one reservation, and the replies are recorded in order.
        async with self._one_call:
            await self._text.begin(call.number)
            return await CHAIN(call)

    async def _begin(self, call: Call) -> None:
        record = self._record
        self._has_begun = True
        if call.request.waits_for_person:
            # Written when the run is parked.
            note_wait(self._run_context, record)
            return
        is_first, self._is_recorded = not self._is_recorded, True
        if is_first:
            _use_model(record, call)
            await record_start(self._run_context, record)
            self._start_limit()
        else:
            # Before the switch, so that usage so far counts for the earlier model.
            await self._save_unlimited()
            _use_model(record, call)

    def _note(self, level: str, message: str, *, is_masked: bool = False) -> None:
        if self._number < self._last_recorded:
            # Written before the interruption, with the next call.
            return
        text = message if is_masked else self._run_context.secrets.recorded(message)
        self._run_context.buffer.log(events.step_log(which(self._record), level, text))

    def _announce(self, question: AskPerson) -> None:
        requested = events.review_requested(which(self._record), question.message, question.until)
        self._run_context.buffer.note(requested)

    async def _save_unlimited(self) -> None:
        """Write the step's row during an attempt. The step's own time limit is longer by the time that this takes."""
        own, ends, loop = self._own_limit, self._limit.when(), asyncio.get_running_loop()
        if own is None or ends is None:
            await self._save()
            return
        left = ends - loop.time()
        self._own_limit = None
        self._limit.reschedule(loop.time() + self._run_context.left.total_seconds())
        await self._save()
        self._limit_to(own, left)

    async def _save(self) -> None:
        self._run_context.buffer.update(self._record)
        await self._run_context.buffer.write()


def _use_model(record: StepRecord, call: Call) -> None:
    """Show the model of a call as the step's."""
    if call.model is not None:
        record.model, record.paid_by = call.model.id, call.model.paid_by


async def execute(sequence: SequenceState, step: Step, record: StepRecord) -> Result | Parked:
    """Execute a step by the handler of its type."""
    run_context = sequence.run_context
    if run_context.has_turn:
        run_context.has_turn = False
    else:
        # This also yields between two pure steps, which block the event loop.
        await run_context.dependencies.turns.take(run_context.run.workspace_id)
    record.started_at = record.started_at or clock.now()
    if step.spec.is_pure:
        record.attempts = 1
    return await _Attempts(sequence, step, record).run()


async def record_start(run_context: RunContext, record: StepRecord) -> None:
    """Record that an attempt begins, and wait until the record is written."""
    record.attempts += 1
    note_start(run_context, record)
    await run_context.buffer.write()


def note_start(
    run_context: RunContext, record: StepRecord, status: StepStatus = StepStatus.RUNNING
) -> None:
    """Record with the next write that a step has started or waits."""
    record.status = status
    record.has_waited |= status is StepStatus.WAITING
    record.started_at = record.started_at or clock.now()
    started = events.step_status(
        status,
        which(record),
        attempt=record.attempts,
        name=record.name,
        type=record.type,
        model=record.model,
    )
    run_context.buffer.add(record, started)


def note_wait(run_context: RunContext, record: StepRecord) -> None:
    """Record with the next write that a step waits, unless it waits already."""
    if record.status is not StepStatus.WAITING:
        record.attempts = record.attempts or 1
        note_start(run_context, record, StepStatus.WAITING)


def pause_before_retry(retry: Retry, failures: int, retry_after: timedelta | None) -> timedelta:
    """How long to wait after the n-th failure.

    `retry_after` if it is given; otherwise `backoff * factor ** (n - 1)`, at most `max_backoff`, with a jitter of ±20 %
    so that many runs do not retry at the same time.
    """
    if retry_after is not None:
        return retry_after
    grown = retry.backoff * min(retry.factor ** (failures - 1), 1e6)
    return min(grown, retry.max_backoff) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - not a secret
