"""Tries a step that reaches outside: recorded before each attempt, with a time limit, and again where that may help."""

import asyncio
import random
from datetime import timedelta
from typing import Any, Protocol

from stepiq.core import clock
from stepiq.execution import events
from stepiq.execution.context import Speaker, StepContext
from stepiq.execution.interpreter.recording import which
from stepiq.execution.interpreter.run_context import RunContext, SequenceState
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.execution.records import StepRecord
from stepiq.language.specs import CodeSpec, Retry, Step
from stepiq.store.states import StepStatus

_JITTER = 0.2


class StepHandler(Protocol):
    """How steps of one type are tried: a module of `execution.steps`."""

    async def prepare(self, context: StepContext, spec: Any, /) -> Any:
        """What an attempt needs, worked out before it is recorded; `Failed` if it cannot be."""
        ...

    async def attempt(self, context: StepContext, spec: Any, prepared: Any, /) -> Outcome:
        """Try once."""
        ...


def make_work(
    sequence: SequenceState, step: Step, record: StepRecord
) -> tuple[StepContext, Speaker]:
    """What a step has at hand."""
    run_context = sequence.run_context
    masker = run_context.secrets.masker
    speaker = Speaker(run_context.dependencies.changes, run_context.run.id, record, masker)

    def note(level: str, message: str) -> None:
        run_context.buffer.note(events.step_log(which(record), level, masker.text(message)))

    async def save() -> None:
        run_context.buffer.update(record)
        await run_context.buffer.write()

    context = StepContext(
        run=run_context.run,
        step=step,
        record=record,
        scope=sequence.scope,
        previous=sequence.previous,
        dependencies=run_context.dependencies,
        secrets=run_context.secrets,
        speak=speaker.speak,
        note=note,
        save=save,
    )
    return context, speaker


async def keep_trying(
    sequence: SequenceState, step: Step, record: StepRecord, doing: StepHandler
) -> Outcome:
    """Try until it is done or no further attempt is allowed."""
    run_context = sequence.run_context
    context, speaker = make_work(sequence, step, record)
    while True:
        prepared = await doing.prepare(context, step.spec)
        await record_start(run_context, record)
        if isinstance(prepared, Failed):
            return prepared
        outcome = await _attempt(run_context, context, doing, prepared)
        await speaker.flush()
        if isinstance(outcome, Completed):
            return outcome
        record.failures += 1
        if not outcome.is_retryable or record.failures >= step.retry.max_attempts:
            return outcome
        pause = pause_before_retry(step.retry, record.failures, outcome.retry_after)
        context.note(
            "warning",
            f"Attempt {record.attempts} failed. {outcome.message} "
            f"The next attempt starts in {pause.total_seconds():.1f} s.",
        )
        await context.save()
        await asyncio.sleep(max(0.0, min(pause, run_context.left).total_seconds()))
        if (late := run_context.too_late()) is not None:
            return late


async def record_start(
    run_context: RunContext, record: StepRecord, status: StepStatus = StepStatus.RUNNING
) -> None:
    """Record that an attempt begins, before it does."""
    record.attempts += 1
    note_start(run_context, record, status)
    await run_context.buffer.write()


def note_start(
    run_context: RunContext, record: StepRecord, status: StepStatus = StepStatus.RUNNING
) -> None:
    """Have it recorded with what comes next that a step has begun."""
    record.status = status
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


async def _attempt(
    run_context: RunContext, context: StepContext, doing: StepHandler, prepared: Any
) -> Outcome:
    stubs = run_context.dependencies.stubs
    if (
        stubs is not None
        and (given := stubs.outcome(context.step, context.record.branch)) is not None
    ):
        return given
    left = run_context.left
    # Code has to wait for its turn, which its own limit does not count.
    own = None if isinstance(context.step.spec, CodeSpec) else context.step.timeout
    allowed = left if own is None else min(own, left)
    limit = asyncio.timeout(max(0.0, allowed.total_seconds()))
    try:
        async with limit:
            return await doing.attempt(context, context.step.spec, prepared)
    except TimeoutError:
        if not limit.expired():
            raise
        if own is not None and own < left:
            return Failed(
                FailureCode.STEP_TIMEOUT,
                f"The attempt took longer than `timeout_seconds` ({own.total_seconds():g}). Raise it, or make the step do less.",
                is_retryable=context.step.retry.on_timeout,
            )
        return run_context.out_of_time()


def pause_before_retry(retry: Retry, failures: int, retry_after: timedelta | None) -> timedelta:
    """How long to wait after the n-th failure.

    What the other side asked for, else `backoff * factor ** (n - 1)` up to `max_backoff`, give or take 20 % so that
    many runs don't come back at once.
    """
    if retry_after is not None:
        return retry_after
    grown = retry.backoff * min(retry.factor ** (failures - 1), 1e6)
    return min(grown, retry.max_backoff) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - not a secret
