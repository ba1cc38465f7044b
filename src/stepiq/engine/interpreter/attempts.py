"""Tries a step that reaches outside: recorded before each attempt, with a time limit, and again where that may help."""

import asyncio
import random
from datetime import timedelta
from typing import Any, Protocol

from stepiq.core import clock
from stepiq.engine import events
from stepiq.engine.interpreter.course import Course, Frame
from stepiq.engine.interpreter.settling import which
from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.engine.records import StepRecord
from stepiq.engine.work import Speaker, Work
from stepiq.language.specs import CodeSpec, Retry, Step
from stepiq.store.states import StepStatus

_JITTER = 0.2


class Doing(Protocol):
    """How steps of one type are tried: a module of `engine.steps`."""

    async def prepare(self, work: Work, spec: Any, /) -> Any:
        """What an attempt needs, worked out before it is recorded; `Failed` if it cannot be."""
        ...

    async def attempt(self, work: Work, spec: Any, prepared: Any, /) -> Outcome:
        """Try once."""
        ...


def make_work(frame: Frame, step: Step, record: StepRecord) -> tuple[Work, Speaker]:
    """What a step has at hand."""
    course = frame.course
    masker = course.secrets.masker
    speaker = Speaker(course.means.changes, course.run.id, record, masker)

    def note(level: str, message: str) -> None:
        course.scribe.note(events.step_log(which(record), level, masker.text(message)))

    async def save() -> None:
        course.scribe.update(record)
        await course.scribe.write()

    work = Work(
        run=course.run,
        step=step,
        record=record,
        scope=frame.scope,
        previous=frame.previous,
        means=course.means,
        secrets=course.secrets,
        speak=speaker.speak,
        note=note,
        save=save,
    )
    return work, speaker


async def keep_trying(frame: Frame, step: Step, record: StepRecord, doing: Doing) -> Outcome:
    """Try until it is done or no further attempt is allowed."""
    course = frame.course
    work, speaker = make_work(frame, step, record)
    while True:
        prepared = await doing.prepare(work, step.spec)
        await record_start(course, record)
        if isinstance(prepared, Failed):
            return prepared
        outcome = await _attempt(course, work, doing, prepared)
        await speaker.flush()
        if isinstance(outcome, Completed):
            return outcome
        record.failures += 1
        if not outcome.is_retryable or record.failures >= step.retry.max_attempts:
            return outcome
        pause = pause_before_retry(step.retry, record.failures, outcome.retry_after)
        work.note(
            "warning",
            f"Attempt {record.attempts} failed. {outcome.message} "
            f"The next attempt starts in {pause.total_seconds():.1f} s.",
        )
        await work.save()
        await asyncio.sleep(max(0.0, min(pause, course.left).total_seconds()))
        if (late := course.too_late()) is not None:
            return late


async def record_start(
    course: Course, record: StepRecord, status: StepStatus = StepStatus.RUNNING
) -> None:
    """Record that an attempt begins, before it does."""
    record.attempts += 1
    note_start(course, record, status)
    await course.scribe.write()


def note_start(course: Course, record: StepRecord, status: StepStatus = StepStatus.RUNNING) -> None:
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
    course.scribe.add(record, started)


async def _attempt(course: Course, work: Work, doing: Doing, prepared: Any) -> Outcome:
    stand_ins = course.means.stand_ins
    if (
        stand_ins is not None
        and (given := stand_ins.outcome(work.step, work.record.branch)) is not None
    ):
        return given
    left = course.left
    # Code has to wait for its turn, which its own limit does not count.
    own = None if isinstance(work.step.spec, CodeSpec) else work.step.timeout
    allowed = left if own is None else min(own, left)
    limit = asyncio.timeout(max(0.0, allowed.total_seconds()))
    try:
        async with limit:
            return await doing.attempt(work, work.step.spec, prepared)
    except TimeoutError:
        if not limit.expired():
            raise
        if own is not None and own < left:
            return Failed(
                FailureCode.STEP_TIMEOUT,
                f"The attempt took longer than `timeout_seconds` ({own.total_seconds():g}). Raise it, or make the step do less.",
                is_retryable=work.step.retry.on_timeout,
            )
        return course.out_of_time()


def pause_before_retry(retry: Retry, failures: int, retry_after: timedelta | None) -> timedelta:
    """How long to wait after the n-th failure.

    What the other side asked for, else `backoff * factor ** (n - 1)` up to `max_backoff`, give or take 20 % so that
    many runs don't come back at once.
    """
    if retry_after is not None:
        return retry_after
    grown = retry.backoff * min(retry.factor ** (failures - 1), 1e6)
    return min(grown, retry.max_backoff) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - not a secret
