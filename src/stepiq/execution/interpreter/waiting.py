"""Steps that wait: for a moment, or for a person. A minute or less is waited for in place; more holds no worker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution import events
from stepiq.execution.interpreter.attempts import note_start
from stepiq.execution.interpreter.recording import which
from stepiq.execution.interpreter.run_context import SequenceState, pass_time
from stepiq.execution.outcomes import (
    Completed,
    Failed,
    FailureCode,
    Outcome,
    ReviewRequest,
    Waiting,
)
from stepiq.execution.records import ClaimedRun, StepRecord
from stepiq.execution.stubs import Decided
from stepiq.language import offload
from stepiq.language.expressions import ExpressionError
from stepiq.language.specs import ReviewSpec, ReviewTimeout, Step, WaitSpec
from stepiq.language.templates import TemplateError
from stepiq.store.database import Database
from stepiq.store.states import ReviewDecision, StepStatus
from stepiq.store.tables import reviews

IN_PLACE = timedelta(minutes=1)
"""The longest wait that holds a worker."""
LONGEST = timedelta(days=30)
_SHOWN_CHARACTERS = 100


async def rest(
    sequence: SequenceState, step: Step, record: StepRecord, spec: WaitSpec
) -> Outcome | Waiting:
    """Wait; a step that is taken up again waits for the same moment."""
    run_context = sequence.run_context
    is_new = record.attempts == 0
    if is_new:
        record.attempts = 1
        note_start(run_context, record, StepStatus.WAITING)
    until = await _until(sequence, step, record, spec)
    if isinstance(until, Failed):
        return until
    if run_context.dependencies.stubs is not None:
        return Completed({"until": clock.iso(until)})
    wake_at = min(until, run_context.run.deadline_at)
    is_long = wake_at - clock.now() > IN_PLACE
    if is_long and sequence.is_top:
        return Waiting(until)
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
    return late or Completed({"until": clock.iso(until)})


async def _until(
    sequence: SequenceState, step: Step, record: StepRecord, spec: WaitSpec
) -> datetime | Failed:
    assert record.started_at is not None  # noqa: S101 - it has begun
    if spec.length is not None:
        return record.started_at + spec.length
    assert spec.until is not None  # noqa: S101 - a wait has one of the two
    try:
        text = (await offload.render(spec.until, sequence.scope)).strip()
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field="until")
    try:
        until = clock.parse(text)
    except (ValueError, OverflowError):
        return Failed(
            FailureCode.INPUT_INVALID,
            f"`{text[:_SHOWN_CHARACTERS]}` is not a time. Use one with a time zone, such as 2026-03-01T09:00:00Z.",
            field="until",
        )
    if until - record.started_at > LONGEST:
        return Failed(
            FailureCode.INPUT_INVALID,
            f"{clock.iso(until)} is more than {LONGEST.days} days away, which is the maximum.",
            field="until",
        )
    return until


async def review(
    sequence: SequenceState, step: Step, record: StepRecord, spec: ReviewSpec
) -> Outcome | Waiting:
    """Ask a person, or take up what was answered."""
    run_context = sequence.run_context
    if record.attempts == 0:
        request = await _request(sequence, step, spec)
        if isinstance(request, Failed):
            return request
        record.attempts = 1
        note_start(run_context, record, StepStatus.WAITING)
        assert record.started_at is not None  # noqa: S101 - it has just begun
        until = record.started_at + spec.wait
        run_context.buffer.note(events.review_requested(which(record), request.message, until))
        if (stubs := run_context.dependencies.stubs) is not None:
            return _stood_in(step, spec, request, until, stubs.decision(step))
        return Waiting(until, request)
    found = await _find(run_context.dependencies.database, run_context.run, record)
    if found.decision is not None:
        return _decided(step, spec, found)
    if clock.now() < found.expires_at:
        return Waiting(found.expires_at)
    return _timed_out(step, spec, found)


async def _request(sequence: SequenceState, step: Step, spec: ReviewSpec) -> ReviewRequest | Failed:
    try:
        message = await offload.render(spec.message, sequence.scope)
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field="message")
    under_review = sequence.previous
    if spec.input is not None:
        try:
            under_review = await offload.evaluate(spec.input, sequence.scope)
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field="input")
    masker = sequence.run_context.secrets.masker
    return ReviewRequest(masker.text(message), under_review, spec.editable, spec.assignees)


@dataclass(frozen=True, slots=True)
class _Review:
    """A question as it stands."""

    input: Json
    expires_at: datetime
    closed_at: datetime | None
    decision: ReviewDecision | None
    comment: str | None
    output: Json
    reviewer: str | None


async def _find(database: Database, run: ClaimedRun, record: StepRecord) -> _Review:
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
    decision = None if row.decision is None else ReviewDecision(row.decision)
    return _Review(
        row.input, row.expires_at, row.closed_at, decision, row.comment, row.output, row.reviewer
    )


def _stood_in(
    step: Step, spec: ReviewSpec, request: ReviewRequest, until: datetime, given: Decided | Failed
) -> Outcome:
    if isinstance(given, Failed):
        return given
    shown = request.input if given.edited is None else given.edited[0]
    now, decision = clock.now(), given.decision
    reviewer = None if decision is None else "test"
    found = _Review(request.input, until, now, decision, given.comment, shown, reviewer)
    return _timed_out(step, spec, found) if decision is None else _decided(step, spec, found)


def _decided(step: Step, spec: ReviewSpec, found: _Review) -> Outcome:
    assert found.decision is not None and found.closed_at is not None  # noqa: S101, PT018
    if found.decision is ReviewDecision.REJECT and spec.on_reject is None:
        comment = f' Their comment: "{found.comment}".' if found.comment else ""
        return Failed(
            FailureCode.REVIEW_REJECTED,
            f"{found.reviewer} rejected the review.{comment} To continue after a rejection, set `on_reject: {{goto: STEP}}`.",
        )
    return Completed(_output(found, found.decision, found.closed_at))


def _timed_out(step: Step, spec: ReviewSpec, found: _Review) -> Outcome:
    if spec.on_timeout is ReviewTimeout.APPROVE:
        return Completed(_output(found, ReviewDecision.APPROVE, found.expires_at))
    if spec.on_timeout is ReviewTimeout.REJECT and spec.on_reject is not None:
        return Completed(_output(found, ReviewDecision.REJECT, found.expires_at))
    code = FailureCode.REVIEW_TIMEOUT
    if spec.on_timeout is ReviewTimeout.REJECT:
        code = FailureCode.REVIEW_REJECTED
    return Failed(
        code,
        f"The review was not decided within `timeout_seconds` ({spec.wait.total_seconds():g}). Raise it, or set `on_timeout`.",
    )


def _output(found: _Review, decision: ReviewDecision, at: datetime) -> Json:
    return {
        "decision": str(decision),
        "comment": found.comment,
        "output": found.output if found.decision is not None else found.input,
        "reviewer": found.reviewer,
        "decided_at": clock.iso(at),
    }
