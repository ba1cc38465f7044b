"""Human review: waits for a person's decision, which is the step's output."""

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution.calls.requests import AskPerson
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import (
    Completed,
    Failed,
    FailureCode,
    Outcome,
    ReviewResult,
)
from stepiq.language import offload
from stepiq.language.expressions import ExpressionError
from stepiq.language.templates import TemplateError
from stepiq.steps.human_review.spec import ReviewSpec, ReviewTimeout
from stepiq.store.states import ReviewDecision


async def run(spec: ReviewSpec, context: StepContext) -> Outcome:
    """Ask the person, or wait for the decision if the review was requested before."""
    question = await _question(spec, context)
    if isinstance(question, Failed):
        return question
    return _outcome(spec, await context.ask(question))


async def _question(spec: ReviewSpec, context: StepContext) -> AskPerson | Failed:
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
    until = context.started_at + spec.wait
    return AskPerson(message, under_review, spec.editable, spec.assignees, until)


def _outcome(spec: ReviewSpec, answer: ReviewResult) -> Outcome:
    if answer.decision is None:
        return _timed_out(spec, answer)
    if answer.decision is ReviewDecision.REJECT and spec.on_reject is None:
        comment = f' Their comment: "{answer.comment}".' if answer.comment else ""
        return Failed(
            FailureCode.REVIEW_REJECTED,
            f"{answer.reviewer} rejected the review.{comment} To continue after a rejection, set `on_reject: {{goto: STEP}}`.",
        )
    return Completed(_output(answer, answer.decision))


def _timed_out(spec: ReviewSpec, answer: ReviewResult) -> Outcome:
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


def _output(answer: ReviewResult, decision: ReviewDecision) -> Json:
    return {
        "decision": str(decision),
        "comment": answer.comment,
        "output": answer.output,
        "reviewer": answer.reviewer,
        "decided_at": clock.iso(answer.decided_at),
    }
