"""Asks a person: records a review and parks the run, or finds the answer to an earlier question."""

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.requests import AskPerson, Suspended
from stepiq.execution.outcomes import ReviewResult
from stepiq.store.states import ReviewDecision
from stepiq.store.tables import reviews


async def ask_person(call: Call, request: AskPerson) -> ReviewResult:
    """The answer, if a person has decided or the time is over.

    Raises:
        Suspended: the run has to wait for it.
        RuntimeError: the step has asked another question. A review is identified by its step, so the answer to the first
            question would be returned.
    """
    if any(
        each.kind == request.kind and each.number != call.number and each.attempt == call.attempt
        for each in call.record.operations
    ):
        raise RuntimeError(f"Step `{call.record.step_id}` asks more than one question.")
    found = None if call.is_new_question else await _find(call)
    match found:
        case None:
            question = replace(request, message=await call.secrets.as_recorded(request.message))
            call.announce(question)
            raise Suspended(question.until, question)
        case datetime():
            raise Suspended(found, None)
        case ReviewResult():
            return found


async def _find(call: Call) -> ReviewResult | datetime | None:
    """The answer to a step's question, or when the question expires; None if it is not recorded."""
    asked = sa.select(
        reviews.c.input,
        reviews.c.expires_at,
        reviews.c.closed_at,
        reviews.c.decision,
        reviews.c.comment,
        reviews.c.output,
        reviews.c.reviewer,
    ).where(
        reviews.c.run_id == call.run.id,
        reviews.c.step_id == call.record.step_id,
        reviews.c.iteration == call.record.iteration,
    )
    async with call.dependencies.database.reading() as session:
        row = (await session.execute(asked)).one_or_none()
    if row is None:
        return None
    if row.decision is not None:
        decision = ReviewDecision(row.decision)
        return ReviewResult(row.output, decision, row.comment, row.reviewer, row.closed_at)
    if clock.now() < row.expires_at:
        return row.expires_at
    return ReviewResult(row.input, None, None, None, row.expires_at)
