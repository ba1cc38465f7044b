"""Human review: waits for a person's decision, which is the step's output."""

from functools import partial

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import (
    Completed,
    Failed,
    FailureCode,
    Outcome,
    ReviewAnswer,
    ReviewRequest,
    Waiting,
)
from stepiq.language import offload
from stepiq.language.expressions import ExpressionError
from stepiq.language.templates import TemplateError
from stepiq.steps.human_review.spec import ReviewSpec, ReviewTimeout
from stepiq.store.states import ReviewDecision


async def run(spec: ReviewSpec, context: StepContext) -> Waiting | Failed:
    """Request a review, or wait for the decision if it was requested before a crash."""
    request = await _request(spec, context)
    if isinstance(request, Failed):
        return request
    return Waiting(context.started_at + spec.wait, partial(_resume, spec), request)


async def _request(spec: ReviewSpec, context: StepContext) -> ReviewRequest | Failed:
    try:
        message = await offload.render(spec.message, context.scope)
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field="message")
    under_review = context.previous
    if spec.input is not None:
        try:
            under_review = await offload.evaluate(spec.input, context.scope)
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field="input")
    masker = context.secrets.masker
    return ReviewRequest(masker.text(message), under_review, spec.editable, spec.assignees)


def _resume(spec: ReviewSpec, answer: ReviewAnswer | None) -> Outcome:
    assert answer is not None  # noqa: S101 - a review was requested
    if answer.decision is None:
        return _timed_out(spec, answer)
    if answer.decision is ReviewDecision.REJECT and spec.on_reject is None:
        comment = f' Their comment: "{answer.comment}".' if answer.comment else ""
        return Failed(
            FailureCode.REVIEW_REJECTED,
            f"{answer.reviewer} rejected the review.{comment} To continue after a rejection, set `on_reject: {{goto: STEP}}`.",
        )
    return Completed(_output(answer, answer.decision))


def _timed_out(spec: ReviewSpec, answer: ReviewAnswer) -> Outcome:
    if spec.on_timeout is ReviewTimeout.APPROVE:
        return Completed(_output(answer, ReviewDecision.APPROVE))
    if spec.on_timeout is ReviewTimeout.REJECT and spec.on_reject is not None:
        return Completed(_output(answer, ReviewDecision.REJECT))
    code = FailureCode.REVIEW_TIMEOUT
    if spec.on_timeout is ReviewTimeout.REJECT:
        code = FailureCode.REVIEW_REJECTED
    return Failed(
        code,
        f"The review was not decided within `timeout_seconds` ({spec.wait.total_seconds():g}). Raise it, or set `on_timeout`.",
    )


def _output(answer: ReviewAnswer, decision: ReviewDecision) -> Json:
    return {
        "decision": str(decision),
        "comment": answer.comment,
        "output": answer.output,
        "reviewer": answer.reviewer,
        "decided_at": clock.iso(answer.decided_at),
    }
