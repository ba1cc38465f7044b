"""Shapes of operations in the API."""

from typing import Any
from uuid import UUID

from stepiq.core.json import Json
from stepiq.language.data import is_object
from stepiq.runs.operations.records import Payloads, RecordedOperation, StepExecution, StepSummary
from stepiq.runs.schemas import CostView, PaidBy, StepView, cost_fields, duration_ms, step_fields
from stepiq.store.states import OperationStatus, StepStatus
from stepiq.web.bodies import Timestamp, View
from stepiq.web.pages import Page


class OperationView(View):
    """A call that a step made out of the process, without what it sent and received."""

    id: UUID
    run_id: UUID
    """The run that made the call. Read the operation there to get its request and response."""
    attempt: int
    """The attempt of the step. A crash does not begin another attempt."""
    number: int
    """Position within the attempt, from 1."""
    kind: str
    """`model_call`, `http_call`, `code` or `ask_person`. Later versions may add kinds."""
    status: OperationStatus
    starts: int
    """How many times the call was started. After a crash, it is started again."""
    idempotency_key: str
    """Sent with the call, so that the other side can recognize a repetition."""
    error: Json
    model: str | None
    paid_by: PaidBy | None
    """Whose key the call used: the workspace's, the server's (costs credits), or none (`local`)."""
    input_tokens: int
    cached_tokens: int
    """The part of `input_tokens` that the provider read from its cache."""
    output_tokens: int
    tokens_estimated: bool
    """Whether stepIQ estimated the tokens from the text, for example after a cancellation."""
    cost_usd_micros: int | None
    """Null if the price of the model is unknown."""
    cost_usd_micros_by_part: CostView | None
    queued_at: Timestamp | None
    """When the step requested the call. It may wait for a limit or for credits before it starts."""
    started_at: Timestamp | None
    first_piece_at: Timestamp | None
    """When the first piece of a model's text arrived."""
    completed_at: Timestamp | None
    duration_ms: int | None
    """From `started_at` to `completed_at`."""
    request_is_omitted: bool
    """Whether the request is not recorded, because the calls of the step exceed 8 MiB."""
    response_is_omitted: bool
    """Whether the response is not recorded, because the calls of the step exceed 8 MiB."""


class OperationDetail(OperationView):
    """A call that a step made out of the process, with what it sent and received. Secrets are masked."""

    request: Json
    """Null if it was not recorded. For a `model_call`, `messages` begins with the system prompt and the prompt of the step."""
    response: Json
    """For the last operation of a step with an output, the output. Null if there is none, or if only the error of the attempt
    contains it."""


class StepSummaryView(View):
    """One execution of a step, without prompts, output and error message."""

    id: UUID
    step_id: str
    name: str
    type: str
    branch: str
    iteration: int
    ordinal: int
    """Position in the order of execution. The parent of a step in a branch is the step with the highest lower `ordinal`
    in the enclosing branch."""
    status: StepStatus
    attempts: int
    model: str | None
    error_code: str | None
    is_reused: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd_micros: int | None
    """Null if the price of the model is unknown."""
    queued_ms: int | None
    """How long its calls waited for limits or credits before they started. Null without calls."""
    started_at: Timestamp | None
    completed_at: Timestamp | None


class StepPage(Page[StepSummaryView]):
    """One page of the steps of a run."""

    last_seq: int
    """Number of the last event of the run that the page includes. The stream of the run continues after it."""


class StepDetail(StepView):
    """One execution of a step with its operations."""

    executed_in: UUID | None
    """The run that executed the step and has its operations: an earlier run for a reused step, and null if that run has been
    deleted."""
    operations: list[OperationView]
    """In the order of attempts, and of numbers within an attempt. A page of at most `limit`."""
    next_cursor: str | None
    """Send it as `cursor` to get the next operations. Null on the last page."""


def step_summary(step: StepSummary) -> StepSummaryView:
    """An execution in a list."""
    shown = {
        name: getattr(step, name) for name in StepSummaryView.model_fields if hasattr(step, name)
    }
    error = step.error if is_object(step.error) else {}
    return StepSummaryView(
        **shown,
        cost_usd_micros=cost_fields(step)["cost_usd_micros"],
        error_code=str(error["code"]) if "code" in error else None,
        queued_ms=None if step.queued is None else round(step.queued.total_seconds() * 1000),
    )


def step_detail(execution: StepExecution, operations: Page[OperationView]) -> StepDetail:
    """An execution with a page of its operations."""
    return StepDetail(
        **step_fields(execution.step),
        executed_in=execution.run_id,
        operations=operations.data,
        next_cursor=operations.next_cursor,
    )


def operation_view(operation: RecordedOperation) -> OperationView:
    """An operation in a list."""
    return OperationView(**_fields(operation))


def operation_detail(operation: RecordedOperation, payloads: Payloads) -> OperationDetail:
    """An operation by itself."""
    return OperationDetail(
        **_fields(operation), request=payloads.request, response=payloads.response
    )


def _fields(operation: RecordedOperation) -> dict[str, Any]:
    shown = {
        name: getattr(operation, name)
        for name in OperationView.model_fields
        if hasattr(operation, name)
    }
    return {
        **shown,
        **cost_fields(operation),
        "idempotency_key": operation.key,
        "completed_at": operation.ended_at,
        "duration_ms": duration_ms(operation.started_at, operation.ended_at),
    }
