"""What runs read. Every list walks an index from its newest end and stops at the page's size."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.runs.records import Filter, LoggedEvent, Progress, Run, Step
from stepiq.store.database import Session
from stepiq.store.states import RunStatus, StepStatus, TriggerType
from stepiq.store.tables import large_values, pipelines, run_events, run_steps, runs, workspaces

_ID_PREFIX = re.compile(r"[0-9a-f]{8,32}")
_CLOCK_SLACK = timedelta(minutes=1)

_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    runs.c.id,
    runs.c.workspace_id,
    runs.c.pipeline_id,
    runs.c.pipeline_version,
    runs.c.trigger_type,
    runs.c.status,
    runs.c.input_data,
    runs.c.output,
    runs.c.output_is_large,
    runs.c.error,
    runs.c.input_tokens,
    runs.c.cached_tokens,
    runs.c.output_tokens,
    runs.c.credit_tokens,
    runs.c.cost_usd_micros,
    runs.c.cost_complete,
    runs.c.retry_of,
    runs.c.created_at,
    runs.c.started_at,
    runs.c.completed_at,
)


async def progress(session: Session, workspace_id: UUID, run_id: UUID) -> Progress | None:
    """How far a run of the workspace has come."""
    row = (
        await session.execute(
            sa.select(runs.c.status, runs.c.last_seq).where(
                runs.c.id == run_id, runs.c.workspace_id == workspace_id
            )
        )
    ).one_or_none()
    return None if row is None else Progress(RunStatus(row.status), row.last_seq)


async def lock(session: Session, workspace_id: UUID, run_id: UUID) -> RunStatus | None:
    """Status of a run of the workspace, which nobody else can change until this transaction ends."""
    # A run that waits for a slot gets its ticket from whoever holds the workspace's row. Taking the row first keeps the
    # two from waiting for each other.
    await session.execute(
        sa.select(workspaces.c.id)
        .join(runs, runs.c.workspace_id == workspaces.c.id)
        .where(runs.c.id == run_id, workspaces.c.id == workspace_id, runs.c.ticket == 0)
        .with_for_update(of=workspaces, key_share=True)
    )
    status = await session.scalar(
        sa.select(runs.c.status)
        .where(runs.c.id == run_id, runs.c.workspace_id == workspace_id)
        .with_for_update()
    )
    return None if status is None else RunStatus(status)


async def find(session: Session, workspace_id: UUID, run_id: UUID) -> Run | None:
    """A run of the workspace with its steps in the order in which they ran."""
    row = (
        await session.execute(
            sa.select(*_COLUMNS, large_values.c.value)
            .outerjoin(large_values, large_values.c.owner_id == runs.c.id)
            .where(runs.c.id == run_id, runs.c.workspace_id == workspace_id)
        )
    ).one_or_none()
    if row is None:
        return None
    rows = await session.execute(
        sa.select(run_steps, large_values.c.value)
        .outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
        .where(run_steps.c.run_id == run_id)
        .order_by(run_steps.c.ordinal, run_steps.c.id)
    )
    output = row.value if row.output_is_large else row.output
    return _run(row, output, [_step(step) for step in rows])


def page_statement(
    workspace_id: UUID, wanted: Filter, *, before: UUID | None, limit: int
) -> sa.Select[Any]:
    """Runs of the workspace, newest first."""
    statuses = sorted(wanted.statuses) if wanted.statuses != frozenset(RunStatus) else []
    if len(statuses) < 2:
        return _walk(workspace_id, wanted, statuses, before, limit)
    # Each status walks its own index; one walk over several of them would have to sort all their rows first.
    walks = [
        _walk(workspace_id, wanted, [status], before, limit).subquery(f"walk_{status}")
        for status in statuses
    ]
    merged = sa.union_all(*(sa.select(walk) for walk in walks)).subquery("merged")
    return sa.select(merged).order_by(merged.c.id.desc()).limit(limit)


async def page(session: Session, statement: sa.Select[Any]) -> list[Run]:
    """What `page_statement` selects."""
    return [_run(row, row.output) for row in await session.execute(statement)]


def events_statement(run_id: UUID, *, after: int, limit: int) -> sa.Select[Any]:
    """Events of a run's log in their order."""
    return (
        sa.select(run_events)
        .where(run_events.c.run_id == run_id, run_events.c.seq > after)
        .order_by(run_events.c.seq)
        .limit(limit)
    )


async def events(session: Session, statement: sa.Select[Any]) -> list[LoggedEvent]:
    """What `events_statement` selects."""
    return [
        LoggedEvent(row.seq, row.type, row.data, row.created_at)
        for row in await session.execute(statement)
    ]


def _walk(
    workspace_id: UUID,
    wanted: Filter,
    statuses: Sequence[RunStatus],
    before: UUID | None,
    limit: int,
) -> sa.Select[Any]:
    conditions = [_whose(workspace_id, wanted.pipeline_id), *_ids(wanted, before)]
    if len(statuses) == 1:
        conditions.append(runs.c.status == statuses[0])
    elif statuses:
        conditions.append(runs.c.status.in_(statuses))
    if wanted.trigger_type is not None:
        conditions.append(runs.c.trigger_type == wanted.trigger_type)
    if wanted.created_after is not None:
        conditions.append(runs.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(runs.c.created_at < wanted.created_before)
    if wanted.q is not None and _id_range(wanted.q) is None:
        named = sa.select(pipelines.c.id).where(
            pipelines.c.workspace_id == workspace_id,
            sa.func.lower(pipelines.c.name).contains(wanted.q.lower(), autoescape=True),
        )
        conditions.append(runs.c.pipeline_id.in_(named))
    return sa.select(*_COLUMNS).where(*conditions).order_by(runs.c.id.desc()).limit(limit)


def _whose(workspace_id: UUID, pipeline_id: UUID | None) -> sa.ColumnElement[bool]:
    if pipeline_id is None:
        return runs.c.workspace_id == workspace_id
    # Asking for both would let SQLite walk all runs of the workspace instead of the pipeline's.
    owned = sa.select(pipelines.c.id).where(
        pipelines.c.id == pipeline_id, pipelines.c.workspace_id == workspace_id
    )
    return runs.c.pipeline_id == owned.scalar_subquery()


def _ids(wanted: Filter, before: UUID | None) -> list[sa.ColumnElement[bool]]:
    """Bounds on the id, which the index is ordered by."""
    conditions: list[sa.ColumnElement[bool]] = []
    if before is not None:
        conditions.append(runs.c.id < before)
    if wanted.q is not None and (bounds := _id_range(wanted.q)) is not None:
        conditions.append(runs.c.id.between(*bounds))
    # An id begins with the moment it was made, which is within the slack of when its run was accepted.
    if wanted.created_after is not None:
        conditions.append(runs.c.id >= _first_id(wanted.created_after, -_CLOCK_SLACK))
    if wanted.created_before is not None:
        conditions.append(runs.c.id < _first_id(wanted.created_before, _CLOCK_SLACK))
    return conditions


def _id_range(q: str) -> tuple[UUID, UUID] | None:
    digits = q.lower().replace("-", "")
    if not _ID_PREFIX.fullmatch(digits):
        return None
    return UUID(hex=digits.ljust(32, "0")), UUID(hex=digits.ljust(32, "f"))


def _first_id(moment: datetime, slack: timedelta) -> UUID:
    milliseconds = int((moment.timestamp() + slack.total_seconds()) * 1000)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)


def _run(row: sa.Row[Any], output: Any, steps: list[Step] | None = None) -> Run:
    return Run(
        id=row.id,
        workspace_id=row.workspace_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        trigger_type=TriggerType(row.trigger_type),
        status=RunStatus(row.status),
        input_data=row.input_data,
        output=output,
        output_is_large=row.output_is_large,
        error=row.error,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        credit_tokens=row.credit_tokens,
        cost_usd_micros=row.cost_usd_micros,
        cost_complete=row.cost_complete,
        retry_of=row.retry_of,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        steps=steps or (),
    )


def _step(row: sa.Row[Any]) -> Step:
    return Step(
        id=row.id,
        step_id=row.step_id,
        name=row.name,
        type=row.type,
        iteration=row.iteration,
        branch=row.branch,
        status=StepStatus(row.status),
        attempts=row.attempts,
        model=row.model,
        prompt=row.prompt,
        system_prompt=row.system_prompt,
        output=row.value if row.output_is_large else row.output,
        error=row.error,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        tokens_estimated=row.tokens_estimated,
        cost=row.cost,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
