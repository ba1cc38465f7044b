"""Routes of executions of steps and their operations."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.core.json import Json
from stepiq.language.data import is_object
from stepiq.runs.errors import OperationNotFound, RunNotFound, StepNotFound
from stepiq.runs.operations import service
from stepiq.runs.operations.records import (
    START,
    Payloads,
    Position,
    RecordedOperation,
    StepExecution,
    StepSummary,
)
from stepiq.runs.schemas import CostView, PaidBy, StepView, cost_fields, duration_ms, step_fields
from stepiq.store.states import OperationStatus, StepStatus
from stepiq.web.bodies import Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Cursor, Page, PageQuery, PageRequest, decode_cursor
from stepiq.web.problems import problems
from stepiq.web.transactions import Read


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


router = new_router("Runs")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]

_LARGEST = 2**31 - 1


async def _step_page(
    limit: Annotated[int, Query(ge=1, le=1_000, description="Maximum number of items.")] = 200,
    cursor: Cursor = None,
) -> PageRequest:
    return PageRequest(limit, None if cursor is None else decode_cursor(cursor))


@router.get("/runs/{run_id}/steps", responses=problems(RunNotFound, ScopeMissing))
async def list_steps(
    caller: Reader, read: Read, page: Annotated[PageRequest, Depends(_step_page)], run_id: UUID
) -> StepPage:
    """The executions of a run's steps, without prompts and outputs.

    Steps that started after a page was read are in the events after its `last_seq`.
    """
    after = 0 if page.before is None else min(page.before.int, _LARGEST)
    found, last_seq = await service.steps(read, caller, run_id, after=after, limit=page.fetch)
    cursor = page.cursor([UUID(int=step.ordinal) for step in found])
    shown = [step_summary(step) for step in found[: page.limit]]
    return StepPage(data=shown, next_cursor=cursor, last_seq=last_seq)


@router.get(
    "/runs/{run_id}/steps/{step_id}", responses=problems(RunNotFound, StepNotFound, ScopeMissing)
)
async def get_step(
    caller: Reader,
    read: Read,
    page: PageQuery,
    run_id: UUID,
    step_id: Annotated[str, Path(max_length=64, description="Id of the step in the definition.")],
    iteration: Annotated[
        int | None,
        Query(ge=1, le=_LARGEST, description="Number of the iteration. Default: any."),
    ] = None,
    branch: Annotated[
        str | None,
        Query(
            max_length=64,
            description="Path of the branch, as in `branch` of the step; empty outside branches. Default: any.",
        ),
    ] = None,
) -> StepDetail:
    """One execution of a step with its operations.

    If several executions match `iteration` and `branch`, the response is the one that began last.
    """
    execution = await service.step(
        read, caller, run_id, step_id, iteration=iteration, branch=branch
    )
    after = START if page.before is None else _position(page.before)
    found = await service.page(read, execution, after=after, limit=page.fetch)
    return step_detail(execution, page.page(found, operation_view, _key))


@router.get(
    "/runs/{run_id}/operations/{operation_id}",
    responses=problems(RunNotFound, OperationNotFound, ScopeMissing),
)
async def get_operation(
    caller: Reader, read: Read, run_id: UUID, operation_id: UUID
) -> OperationDetail:
    """An operation with its request and its response, in which secrets are masked."""
    return operation_detail(*await service.get(read, caller, run_id, operation_id))


def _key(operation: RecordedOperation) -> UUID:
    """The position of an operation, for a cursor."""
    return UUID(int=operation.attempt << 64 | operation.number)


def _position(key: UUID) -> Position:
    attempt, number = divmod(key.int, 1 << 64)
    return Position(min(attempt, _LARGEST), min(number, _LARGEST))
