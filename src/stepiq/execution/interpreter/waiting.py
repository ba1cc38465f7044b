"""Waits for a time or a person. Waits of up to a minute hold the worker; longer waits park the run."""

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution import events
from stepiq.execution.interpreter.attempts import note_start
from stepiq.execution.interpreter.recording import which
from stepiq.execution.interpreter.run_context import SequenceState, pass_time
from stepiq.execution.outcomes import Failed, Outcome, ReviewAnswer, ReviewRequest, Waiting
from stepiq.execution.records import ClaimedRun, StepRecord
from stepiq.execution.stubs import Stubs
from stepiq.language.specs import Step
from stepiq.store.database import Database
from stepiq.store.states import ReviewDecision, StepStatus
from stepiq.store.tables import reviews

IN_PLACE = timedelta(minutes=1)
"""The longest wait for which the worker keeps the run."""


async def wait(
    sequence: SequenceState, step: Step, record: StepRecord, waiting: Waiting
) -> Outcome | Waiting:
    """Wait as the step requires, and return its result; returns the wait itself if the run has to be parked."""
    run_context = sequence.run_context
    is_new = record.attempts == 0
    if is_new:
        record.attempts = 1
        note_start(run_context, record, StepStatus.WAITING)
    if waiting.review is not None:
        return await _review(sequence, step, record, waiting, waiting.review, is_new=is_new)
    if run_context.dependencies.stubs is not None:
        return waiting.resume(None)
    until = waiting.until
    wake_at = min(until, run_context.run.deadline_at)
    is_long = wake_at - clock.now() > IN_PLACE
    if is_long and sequence.is_top:
        return waiting
    if is_new and wake_at > clock.now():
        await run_context.buffer.write()
    if is_long:
        await run_context.sleepers.sleep(wake_at)
    else:
        await pass_time(wake_at - clock.now())
    late = (
        run_context.out_of_time()
        if run_context.run.deadline_at <= until
        else run_context.too_late()
    )
    return late or waiting.resume(None)


async def _review(
    sequence: SequenceState,
    step: Step,
    record: StepRecord,
    waiting: Waiting,
    request: ReviewRequest,
    *,
    is_new: bool,
) -> Outcome | Waiting:
    run_context = sequence.run_context
    if is_new:
        requested = events.review_requested(which(record), request.message, waiting.until)
        run_context.buffer.note(requested)
        stubs = run_context.dependencies.stubs
        return waiting if stubs is None else _stubbed(step, waiting, request, stubs)
    found = await _find(run_context.dependencies.database, run_context.run, record)
    if isinstance(found, ReviewAnswer):
        return waiting.resume(found)
    # The review is already recorded.
    return replace(waiting, until=found, review=None)


def _stubbed(step: Step, waiting: Waiting, request: ReviewRequest, stubs: Stubs) -> Outcome:
    given = stubs.decision(step)
    if isinstance(given, Failed):
        return given
    output = request.input if given.edited is None else given.edited[0]
    if given.decision is None:
        return waiting.resume(ReviewAnswer(request.input, None, None, None, waiting.until))
    return waiting.resume(ReviewAnswer(output, given.decision, given.comment, "test", clock.now()))


async def _find(database: Database, run: ClaimedRun, record: StepRecord) -> ReviewAnswer | datetime:
    """The answer to a step's review, or when the review expires."""
    asked = sa.select(
        reviews.c.input,
        reviews.c.expires_at,
        reviews.c.closed_at,
        reviews.c.decision,
        reviews.c.comment,
        reviews.c.output,
        reviews.c.reviewer,
    ).where(
        reviews.c.run_id == run.id,
        reviews.c.step_id == record.step_id,
        reviews.c.iteration == record.iteration,
    )
    async with database.reading() as session:
        row = (await session.execute(asked)).one()
    if row.decision is not None:
        decision = ReviewDecision(row.decision)
        return ReviewAnswer(row.output, decision, row.comment, row.reviewer, row.closed_at)
    if clock.now() < row.expires_at:
        return row.expires_at
    return ReviewAnswer(row.input, None, None, None, row.expires_at)
