"""Routes of executions of steps and their operations."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.runs.errors import OperationNotFound, RunNotFound, StepNotFound
from stepiq.runs.operations import schemas, service
from stepiq.runs.operations.records import START, Position, RecordedOperation
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Cursor, PageQuery, PageRequest, decode_cursor
from stepiq.web.problems import problems
from stepiq.web.transactions import Read

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
) -> schemas.StepPage:
    """The executions of steps of a run in the order of execution, without prompts and outputs.

    Steps that started after a page was read are in the events after its `last_seq`.
    """
    after = 0 if page.before is None else min(page.before.int, _LARGEST)
    found, last_seq = await service.steps(read, caller, run_id, after=after, limit=page.fetch)
    cursor = page.cursor([UUID(int=step.ordinal) for step in found])
    shown = [schemas.step_summary(step) for step in found[: page.limit]]
    return schemas.StepPage(data=shown, next_cursor=cursor, last_seq=last_seq)


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
) -> schemas.StepDetail:
    """One execution of a step with its operations: the calls to models, HTTP servers, code and people, in order.

    If several executions match `iteration` and `branch`, the response is the one that began last.
    """
    execution = await service.step(
        read, caller, run_id, step_id, iteration=iteration, branch=branch
    )
    after = START if page.before is None else _position(page.before)
    found = await service.page(read, execution, after=after, limit=page.fetch)
    return schemas.step_detail(execution, page.page(found, schemas.operation_view, _key))


@router.get(
    "/runs/{run_id}/operations/{operation_id}",
    responses=problems(RunNotFound, OperationNotFound, ScopeMissing),
)
async def get_operation(
    caller: Reader, read: Read, run_id: UUID, operation_id: UUID
) -> schemas.OperationDetail:
    """An operation with its request and its response, in which secrets are masked."""
    return schemas.operation_detail(*await service.get(read, caller, run_id, operation_id))


def _key(operation: RecordedOperation) -> UUID:
    """The position of an operation, for a cursor."""
    return UUID(int=operation.attempt << 64 | operation.number)


def _position(key: UUID) -> Position:
    attempt, number = divmod(key.int, 1 << 64)
    return Position(min(attempt, _LARGEST), min(number, _LARGEST))
