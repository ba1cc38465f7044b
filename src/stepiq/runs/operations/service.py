"""Reads executions of steps and their operations."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.core.json import Json
from stepiq.execution.records.run import StepRecord
from stepiq.language.data import is_array, is_object
from stepiq.runs import queries as runs
from stepiq.runs.errors import OperationNotFound, RunNotFound, StepNotFound
from stepiq.runs.operations import queries
from stepiq.runs.operations.records import (
    Payloads,
    Position,
    RecordedOperation,
    StepExecution,
    StepSummary,
)
from stepiq.store.database import Session
from stepiq.store.states import OperationKind, OperationStatus

_ROLES = {"system_prompt": "system", "prompt": "user"}
"""The role of each prompt of a model call, in their order."""


async def steps(
    session: Session, actor: Actor, run_id: UUID, *, after: int, limit: int
) -> tuple[list[StepSummary], int]:
    """Executions of steps of a run after an ordinal, and the number of the run's last event, which they include.

    Raises:
        RunNotFound: the actor's workspace has no such run.
    """
    progress = await runs.progress(session, actor.workspace_id, run_id)
    if progress is None:
        raise RunNotFound(run_id)
    return await queries.steps(session, run_id, after=after, limit=limit), progress.last_seq


async def step(
    session: Session,
    actor: Actor,
    run_id: UUID,
    step_id: str,
    *,
    iteration: int | None = None,
    branch: str | None = None,
) -> StepExecution:
    """An execution of a step: the last one to begin, of all or of the given iteration and branch.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        StepNotFound: the run has no such execution.
    """
    if await runs.progress(session, actor.workspace_id, run_id) is None:
        raise RunNotFound(run_id)
    found = await queries.latest_step(session, run_id, step_id, iteration=iteration, branch=branch)
    if found is None:
        raise StepNotFound(run_id)
    if not found.is_reused:
        return StepExecution(found, run_id, found)
    original = await queries.original_of(session, actor.workspace_id, found)
    if original is None:
        return StepExecution(found, None, None)
    executed_in, row_id = original
    return StepExecution(found, executed_in, await queries.step(session, executed_in, row_id))


async def page(
    session: Session, execution: StepExecution, *, after: Position, limit: int
) -> list[RecordedOperation]:
    """Operations of an execution after a position, in order."""
    original = execution.original
    if original is None:
        return []
    found = await queries.page(session, original.id, after=after, limit=limit)
    return [_as_it_ended(operation, original) for operation in found]


async def get(
    session: Session, actor: Actor, run_id: UUID, operation_id: UUID
) -> tuple[RecordedOperation, Payloads]:
    """An operation with its request and response.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        OperationNotFound: the run has no such operation.
    """
    recorded = await queries.find(session, actor.workspace_id, run_id, operation_id)
    if recorded is not None:
        operation, request, response = recorded
        original = await queries.step(session, run_id, operation.step_row_id)
        if original is not None:
            if response is None and await _is_last(session, operation):
                response = _output(operation, original)
            whole = _whole(operation, original, request)
            return _as_it_ended(operation, original), Payloads(whole, response)
    if await runs.progress(session, actor.workspace_id, run_id) is None:
        raise RunNotFound(run_id)
    raise OperationNotFound(run_id)


def _whole(operation: RecordedOperation, step: StepRecord, request: Json) -> Json:
    """The request of a model call with the prompts, which only the row of the step has; None if it does not have them."""
    if operation.kind != OperationKind.MODEL_CALL or not is_object(request):
        return request
    if "prompt" not in request and step.prompt is None:
        return None
    turns = request.get("messages")
    turns = turns if is_array(turns) else []
    # A call whose prompts are not those of the step has its own.
    prompts = request if "prompt" in request else _prompts_of(step)
    parameters = {name: value for name, value in request.items() if name not in _ROLES}
    return {**parameters, "messages": [*_turns(prompts), *turns]}


def _as_it_ended(operation: RecordedOperation, step: StepRecord) -> RecordedOperation:
    """The operation; cancelled if it is still running although its step has ended.

    A worker of a version without operations ends steps only.
    """
    if operation.status is not OperationStatus.RUNNING or not step.is_final:
        return operation
    return replace(operation, status=OperationStatus.CANCELLED, ended_at=step.completed_at)


def _output(operation: RecordedOperation, step: StepRecord) -> Json:
    """The output of the step as the response of its last operation, whose row does not repeat it."""
    return step.output if operation.status is OperationStatus.COMPLETED else None


async def _is_last(session: Session, operation: RecordedOperation) -> bool:
    after = Position(operation.attempt, operation.number)
    return not await queries.page(session, operation.step_row_id, after=after, limit=1)


def _prompts_of(step: StepRecord) -> dict[str, Json]:
    return {"prompt": step.prompt, "system_prompt": step.system_prompt}


def _turns(prompts: Mapping[str, Json]) -> list[Json]:
    return [
        {"role": role, "text": prompts[name]}
        for name, role in _ROLES.items()
        if prompts.get(name) is not None
    ]
