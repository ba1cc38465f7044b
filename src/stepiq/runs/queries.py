"""Queries of single runs, and the deletion of runs. `list_queries` has those of lists."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepiq.core.json import Json, dumps
from stepiq.execution.limits import quotas
from stepiq.execution.records.events import EventType, ExecutionKey
from stepiq.execution.records.rows import STEP_COLUMNS, unread_step
from stepiq.execution.records.run import NewRun, StepRecord
from stepiq.runs.records import (
    LoggedEvent,
    NamedCaller,
    Outline,
    Progress,
    Run,
    StepOutline,
)
from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.states import (
    CallerType,
    DeliveryStatus,
    RunStatus,
    StepStatus,
    TriggerType,
    is_draft_version,
)
from stepiq.store.tables import (
    api_keys,
    deliveries,
    large_values,
    pipeline_versions,
    pipelines,
    run_events,
    run_steps,
    runs,
    schedules,
    users,
)

_PAGE = 1_000
"""Steps that the driver reads in one piece. A run can have 50,000."""


def _caller_name(caller_id: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # Ids are unique over all tables. With joins, PostgreSQL would scan a small table instead of looking up the id.
    return sa.func.coalesce(
        *(
            sa.select(table.c.name).where(table.c.id == caller_id).scalar_subquery()
            for table in (api_keys, schedules, users)
        )
    ).label("caller_name")


_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    runs.c.id,
    runs.c.workspace_id,
    runs.c.pipeline_id,
    runs.c.pipeline_version,
    runs.c.trigger_type,
    runs.c.status,
    runs.c.output_is_large,
    runs.c.error,
    runs.c.input_tokens,
    runs.c.cached_tokens,
    runs.c.output_tokens,
    runs.c.credit_tokens,
    runs.c.cost_usd_micros,
    runs.c.cost_complete,
    runs.c.failed_steps,
    runs.c.retry_of,
    runs.c.reused,
    runs.c.only_step,
    runs.c.caller_type,
    runs.c.caller_id,
    pipelines.c.name.label("pipeline_name"),
    pipelines.c.tags.label("pipeline_tags"),
    _caller_name(runs.c.caller_id),
    runs.c.created_at,
    runs.c.started_at,
    runs.c.completed_at,
)


def select_runs(*more: sa.ColumnElement[Any], with_data: bool = True) -> sa.Select[Any]:
    """Runs, with what `run_of` reads and `more` columns. The caller adds conditions that select them by id.

    Without data, inputs and outputs are not read.
    """
    data = (runs.c.input_data, runs.c.output)
    shown = data if with_data else (sa.null().label(column.name) for column in data)
    return sa.select(*_COLUMNS, *shown, *more).join(pipelines, pipelines.c.id == runs.c.pipeline_id)


_SELECT_NAMES = sa.select(
    pipelines.c.name, pipelines.c.tags, _caller_name(sa.bindparam("caller", type_=sa.Uuid))
).where(pipelines.c.id == sa.bindparam("pipeline", type_=sa.Uuid))


# Building a statement takes longer than executing it.
_THIS_RUN = (
    runs.c.id == sa.bindparam("run", type_=sa.Uuid),
    runs.c.workspace_id == sa.bindparam("workspace", type_=sa.Uuid),
)
_SELECT_PROGRESS = sa.select(runs.c.status, runs.c.last_seq).where(*_THIS_RUN)
_SELECT_RUN = (
    select_runs(large_values.c.value)
    .outerjoin(large_values, large_values.c.owner_id == runs.c.id)
    .where(*_THIS_RUN)
)
_STEPS_OF_RUN = run_steps.c.run_id == sa.bindparam("run", type_=sa.Uuid)
_SELECT_LAST_STEP = sa.select(sa.func.max(run_steps.c.ordinal)).where(_STEPS_OF_RUN)
_SELECT_STEPS = (
    sa.select(*STEP_COLUMNS)
    .select_from(run_steps)
    .outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
    .where(
        _STEPS_OF_RUN,
        run_steps.c.ordinal >= sa.bindparam("first", type_=sa.Integer),
        run_steps.c.ordinal < sa.bindparam("after", type_=sa.Integer),
    )
    .order_by(run_steps.c.ordinal, run_steps.c.id)
)


async def when_accepted(session: Session, new: NewRun) -> Run:
    """A run as it is shown after its acceptance."""
    values = {"pipeline": new.pipeline_id, "caller": new.caller and new.caller.id}
    found = (await session.execute(_SELECT_NAMES, values)).one()
    caller = new.caller and NamedCaller(new.caller.type, new.caller.id, found.caller_name)
    return Run(
        id=new.id,
        workspace_id=new.workspace_id,
        pipeline_id=new.pipeline_id,
        pipeline_version=new.pipeline_version,
        pipeline_name=found.name,
        pipeline_tags=found.tags,
        trigger_type=new.trigger_type,
        caller=caller,
        status=RunStatus.PENDING,
        input_data=new.input_data,
        output=None,
        output_is_large=False,
        error=None,
        input_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        credit_tokens=0,
        cost_usd_micros=0,
        cost_complete=True,
        failed_steps=0,
        retry_of=new.retry_of,
        reused=new.reuse.saved,
        only_step=new.only_step,
        created_at=new.created_at,
        started_at=None,
        completed_at=None,
    )


async def progress(session: Session, workspace_id: UUID, run_id: UUID) -> Progress | None:
    """Status and last event number of a run of the workspace."""
    values = {"run": run_id, "workspace": workspace_id}
    row = (await session.execute(_SELECT_PROGRESS, values)).one_or_none()
    return None if row is None else Progress(RunStatus(row.status), row.last_seq)


async def find(session: Session, workspace_id: UUID, run_id: UUID) -> Run | None:
    """A run of the workspace without its steps."""
    values = {"run": run_id, "workspace": workspace_id}
    row = (await session.execute(_SELECT_RUN, values)).one_or_none()
    if row is None:
        return None
    return run_of(row, row.value if row.output_is_large else row.output)


async def steps(session: Session, run_id: UUID) -> list[sa.Result[Any]]:
    """The steps of a run in execution order, for `step_records`."""
    last = (await session.execute(_SELECT_LAST_STEP, {"run": run_id})).scalar()
    return [
        await session.execute(
            _SELECT_STEPS, {"run": run_id, "first": first, "after": first + _PAGE}
        )
        for first in range(0, 0 if last is None else last + 1, _PAGE)
    ]


def step_records(found: Sequence[sa.Result[Any]]) -> Iterator[StepRecord]:
    """Convert `steps`, each when it is needed, and release its row. Their outputs are `SerializedJson` or None."""
    for page in found:
        for row in page:
            yield unread_step(row)


async def outline(session: Session, run_id: UUID, *, limit: int) -> Outline | None:
    """Outline of a run of any workspace, with its first `limit` steps. Of steps in branches, only failed ones."""
    found = (
        await session.execute(
            sa.select(
                runs.c.id,
                pipelines.c.name.label("pipeline_name"),
                runs.c.pipeline_version,
                runs.c.status,
                runs.c.error,
                runs.c.created_at,
                runs.c.started_at,
                runs.c.completed_at,
            )
            .join(pipelines, pipelines.c.id == runs.c.pipeline_id)
            .where(runs.c.id == run_id)
        )
    ).mappings()
    row = found.one_or_none()
    if row is None:
        return None
    columns = [run_steps.c[each.name] for each in fields(StepOutline)]
    listed = await session.execute(
        sa.select(*columns)
        .where(
            run_steps.c.run_id == run_id,
            sa.or_(run_steps.c.branch == "", run_steps.c.status == StepStatus.FAILED),
        )
        .order_by(run_steps.c.ordinal, run_steps.c.id)
        .limit(limit + 1)
    )
    steps = [StepOutline(**step) for step in listed.mappings()]
    return Outline(**row, steps=steps[:limit], more_steps=len(steps) > limit)


def events_statement(
    run_id: UUID,
    *,
    after: int,
    limit: int,
    type_: EventType | None = None,
    of: ExecutionKey | None = None,
) -> sa.Select[Any]:
    """Events of a run's log after a number, in order: all, or those of a type or of one execution of a step."""
    wanted = [run_events.c.run_id == run_id, run_events.c.seq > after]
    if type_ is not None:
        wanted.append(run_events.c.type == type_)
    if of is not None:
        # The data of each event of a step begins with the fields that identify its execution.
        branch: dict[str, Json] = {"branch": of["branch"]} if "branch" in of else {}
        key: Json = {"step_id": of["step_id"], **branch, "iteration": of["iteration"]}
        start = f"{dumps(key)[:-1]},"
        text = sa.type_coerce(run_events.c.data, sa.Text)
        wanted.append(sa.func.substr(text, 1, len(start)) == start)
    return sa.select(run_events).where(*wanted).order_by(run_events.c.seq).limit(limit)


async def events(session: Session, statement: sa.Select[Any]) -> list[LoggedEvent]:
    """Execute `events_statement`."""
    return [
        LoggedEvent(row.seq, row.type, row.data, row.created_at)
        for row in await session.execute(statement)
    ]


async def delete_ended(
    session: Session, before: datetime, *, runs_limit: int, events_limit: int
) -> int:
    """Delete runs that ended before a moment, with all dependent rows; returns the number of deleted rows.

    Stops at whichever limit comes first. If the first run alone exceeds `events_limit`, deletes only some of its events
    or steps. Skips runs with a pending delivery, and runs locked by another transaction.
    """
    # COUNT instead of EXISTS: PostgreSQL would join all deliveries instead of looking up those of a run.
    under_way = (
        sa.select(sa.func.count())
        .where(deliveries.c.run_id == runs.c.id, deliveries.c.status == DeliveryStatus.PENDING)
        .scalar_subquery()
    )
    ended = (
        sa.select(*sweeping.RUN_COLUMNS, runs.c.pipeline_id, runs.c.pipeline_version)
        .where(runs.c.completed_at < before, under_way == 0)
        .order_by(runs.c.completed_at)
        .limit(runs_limit)
        .with_for_update(of=runs, skip_locked=True)
    )
    chosen = sweeping.runs_within((await session.execute(ended)).all(), events_limit)
    if chosen and (deleted := await sweeping.delete_large(session, chosen[0], events_limit)):
        return deleted
    deleted = await sweeping.delete(session, runs, [(row.id,) for row in chosen])
    of_drafts = {
        (row.pipeline_id, row.pipeline_version)
        for row in chosen
        if is_draft_version(row.pipeline_version)
    }
    await _delete_draft_versions(session, of_drafts)
    return deleted


async def _delete_draft_versions(session: Session, wanted: set[tuple[UUID, int]]) -> None:
    """Delete those texts of drafts that no run needs, which then no longer count for quotas."""
    sizes: dict[UUID, list[int]] = {}
    for pipeline_id, version in sorted(wanted):
        row = await _delete_draft_version(session, pipeline_id, version)
        if row is not None and row.counted_bytes is not None:
            sizes.setdefault(row.workspace_id, []).append(row.counted_bytes)
    # After all deletions: a transaction that starts a run of a draft locks the version before the quotas.
    for workspace_id in sorted(sizes):
        await quotas.give_back_versions(session, workspace_id, sizes[workspace_id])


async def _delete_draft_version(
    session: Session, pipeline_id: UUID, version: int
) -> sa.Row[Any] | None:
    """Delete the text of a draft that no run needs, and its pipeline if it was never saved and has no other text.

    Returns the deleted row's workspace and bytes that count for its quotas; None if another run needs the text.
    """
    # Before the text: a transaction that starts a run of a draft locks the pipeline first.
    lock = sa.select(pipelines.c.id).where(
        pipelines.c.id == pipeline_id, pipelines.c.is_unsaved.is_(True)
    )
    is_unsaved = await session.scalar(lock.with_for_update()) is not None
    texts = pipeline_versions.c
    deletion = (
        sa.delete(pipeline_versions)
        .where(texts.pipeline_id == pipeline_id, texts.version == version)
        .returning(texts.workspace_id, texts.counted_bytes)
    )
    try:
        async with session.savepoint():
            row = (await session.execute(deletion)).one_or_none()
    except IntegrityError:
        return None
    if is_unsaved:
        with suppress(IntegrityError):
            async with session.savepoint():
                await session.execute(sa.delete(pipelines).where(pipelines.c.id == pipeline_id))
    return row


def run_of(row: sa.Row[Any], output: Any) -> Run:
    """A run from a row of `select_runs`."""
    caller = None
    if row.caller_type is not None:
        caller = NamedCaller(CallerType(row.caller_type), row.caller_id, row.caller_name)
    return Run(
        id=row.id,
        workspace_id=row.workspace_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        pipeline_name=row.pipeline_name,
        pipeline_tags=row.pipeline_tags,
        trigger_type=TriggerType(row.trigger_type),
        caller=caller,
        status=RunStatus(row.status),
        input_data=row.input_data or {},
        output=output,
        output_is_large=row.output_is_large,
        error=row.error,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        credit_tokens=row.credit_tokens,
        cost_usd_micros=row.cost_usd_micros,
        cost_complete=row.cost_complete,
        failed_steps=row.failed_steps,
        retry_of=row.retry_of,
        reused=row.reused,
        only_step=row.only_step,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
