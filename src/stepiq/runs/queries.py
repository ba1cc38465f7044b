"""Queries of runs. Every list scans an index from its newest end and stops at the size of the page."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepiq.core import ids
from stepiq.execution.journal_rows import step_record
from stepiq.execution.records import StepRecord
from stepiq.runs.records import (
    Filter,
    LoggedEvent,
    Outline,
    Progress,
    Run,
    StepOutline,
)
from stepiq.store import sweeping
from stepiq.store.database import Session
from stepiq.store.search import contains
from stepiq.store.states import (
    DeliveryStatus,
    RunStatus,
    StepStatus,
    TriggerType,
    is_draft_version,
)
from stepiq.store.tables import (
    deliveries,
    large_values,
    pipeline_versions,
    pipelines,
    run_events,
    run_steps,
    runs,
    workspaces,
)
from stepiq.store.workspace_order import belongs_to, newest_first

_ID_PREFIX = re.compile(r"[0-9a-f]{8,32}")
_CLOCK_SLACK = 60_000 << 80  # a minute, in ids
_LARGEST_ID = (1 << 128) - 1

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
    runs.c.reused,
    runs.c.only_step,
    runs.c.created_at,
    runs.c.started_at,
    runs.c.completed_at,
)


async def progress(session: Session, workspace_id: UUID, run_id: UUID) -> Progress | None:
    """Status and last event number of a run of the workspace."""
    row = (
        await session.execute(
            sa.select(runs.c.status, runs.c.last_seq).where(
                runs.c.id == run_id, runs.c.workspace_id == workspace_id
            )
        )
    ).one_or_none()
    return None if row is None else Progress(RunStatus(row.status), row.last_seq)


async def lock(session: Session, workspace_id: UUID, run_id: UUID) -> RunStatus | None:
    """Lock a run of the workspace until this transaction ends; returns its status."""
    # A run that waits for a slot gets its ticket in a transaction that has locked the workspace's row. Locking that row
    # first prevents a deadlock.
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
    """A run of the workspace with its steps in execution order."""
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
        sa.select(run_steps, large_values.c.value.label("large_value"))
        .outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
        .where(run_steps.c.run_id == run_id)
        .order_by(run_steps.c.ordinal, run_steps.c.id)
    )
    output = row.value if row.output_is_large else row.output
    return _run(row, output, [step_record(step) for step in rows])


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


def page_statement(
    workspace_id: UUID, wanted: Filter, *, before: UUID | None, limit: int, is_sqlite: bool
) -> sa.Select[Any]:
    """Runs of the workspace, newest first.

    The index is ordered by id within one status, one trigger and one pipeline. For several of them, each combination is
    scanned separately up to the size of a page, and the results are merged. Only ids are merged, because rows can be
    large.
    """
    conditions = _bounds(wanted, before)
    owner, value = runs.c.workspace_id, workspace_id
    if wanted.pipeline_id is not None:
        owner, value = runs.c.pipeline_id, wanted.pipeline_id
        conditions.append(_is_owned(workspace_id, wanted.pipeline_id))
    several: list[sa.FromClause] = []
    for column, chosen in _chosen(wanted):
        if len(chosen) == 1:
            conditions.append(column == chosen[0])
        else:
            values = (sa.literal(one, column.type).label("value") for one in chosen)
            each = sa.union_all(*(sa.select(value) for value in values))
            several.append(each.subquery(f"each_{column.name}"))
            conditions.append(column == several[-1].c.value)
    if wanted.q is not None and _id_range(wanted.q) is None:
        several.append(_named(workspace_id, wanted.pipeline_id, wanted.q))
        owner, value = runs.c.pipeline_id, several[-1].c.value
    conditions.append(belongs_to(owner, value))
    order = newest_first(owner)
    if not several:
        return sa.select(*_COLUMNS).where(*conditions).order_by(*order).limit(limit)
    walk = sa.select(runs.c.id).where(*conditions).order_by(*order).limit(limit)
    walk = walk.correlate(*several)
    combined = several[0]
    for each in several[1:]:
        combined = combined.join(each, sa.true())
    if is_sqlite:
        found = runs.alias("found")
        combined = combined.join(found, found.c.id.in_(walk))
    else:
        found = walk.lateral("found")
        combined = combined.join(found, sa.true())
    merged = sa.select(found.c.id).select_from(combined).order_by(found.c.id.desc()).limit(limit)
    page_ids = merged.subquery("page")
    return (
        sa.select(*_COLUMNS).join(page_ids, page_ids.c.id == runs.c.id).order_by(runs.c.id.desc())
    )


async def page(
    session: Session, workspace_id: UUID, wanted: Filter, *, before: UUID | None, limit: int
) -> list[Run]:
    """Runs of the workspace, newest first."""
    is_sqlite = session.connection.dialect.name == "sqlite"
    statement = page_statement(
        workspace_id, wanted, before=before, limit=limit, is_sqlite=is_sqlite
    )
    return [_run(row, row.output) for row in await session.execute(statement)]


def events_statement(run_id: UUID, *, after: int, limit: int) -> sa.Select[Any]:
    """Events of a run's log after a number, in order."""
    return (
        sa.select(run_events)
        .where(run_events.c.run_id == run_id, run_events.c.seq > after)
        .order_by(run_events.c.seq)
        .limit(limit)
    )


async def events(session: Session, statement: sa.Select[Any]) -> list[LoggedEvent]:
    """Execute `events_statement`."""
    return [
        LoggedEvent(row.seq, row.type, row.data, row.created_at)
        for row in await session.execute(statement)
    ]


async def delete_ended(
    session: Session, before: datetime, *, runs_limit: int, events_limit: int
) -> int:
    """Delete runs that ended before a moment, with all dependent rows; returns the number deleted.

    Stops at whichever limit comes first, but deletes at least one run. Skips runs with a pending delivery, and runs
    locked by another transaction.
    """
    # COUNT instead of EXISTS: PostgreSQL would join all deliveries instead of looking up those of a run.
    under_way = (
        sa.select(sa.func.count())
        .where(deliveries.c.run_id == runs.c.id, deliveries.c.status == DeliveryStatus.PENDING)
        .scalar_subquery()
    )
    ended = (
        sa.select(runs.c.id, runs.c.last_seq, runs.c.pipeline_id, runs.c.pipeline_version)
        .where(runs.c.completed_at < before, under_way == 0)
        .order_by(runs.c.completed_at)
        .limit(runs_limit)
        .with_for_update(of=runs, skip_locked=True)
    )
    chosen: list[tuple[UUID]] = []
    of_drafts: set[tuple[UUID, int]] = set()
    events_left = events_limit
    for row in await session.execute(ended):
        events_left -= row.last_seq
        if chosen and events_left < 0:
            break
        chosen.append((row.id,))
        if is_draft_version(row.pipeline_version):
            of_drafts.add((row.pipeline_id, row.pipeline_version))
    deleted = await sweeping.delete(session, runs, chosen)
    for pipeline_id, version in sorted(of_drafts):
        await _delete_draft_version(session, pipeline_id, version)
    return deleted


async def _delete_draft_version(session: Session, pipeline_id: UUID, version: int) -> None:
    """Delete the text of a draft that no run needs, and its pipeline if it was never saved and has no other text."""
    texts = pipeline_versions.c
    try:
        async with session.connection.begin_nested():
            await session.execute(
                sa.delete(pipeline_versions).where(
                    texts.pipeline_id == pipeline_id, texts.version == version
                )
            )
    except IntegrityError:
        # Another run needs it.
        return
    with suppress(IntegrityError):
        async with session.connection.begin_nested():
            await session.execute(
                sa.delete(pipelines).where(
                    pipelines.c.id == pipeline_id, pipelines.c.is_unsaved.is_(True)
                )
            )


def _chosen(wanted: Filter) -> list[tuple[sa.Column[str], Sequence[str]]]:
    """Triggers and statuses to filter by; empty for all. Both are listed, because the index has both before the id."""
    statuses = sorted(wanted.statuses or RunStatus)
    if wanted.trigger_type is None and len(statuses) == len(RunStatus):
        return []
    triggers = sorted(TriggerType) if wanted.trigger_type is None else [wanted.trigger_type]
    return [(runs.c.trigger_type, triggers), (runs.c.status, statuses)]


def _is_owned(workspace_id: UUID, pipeline_id: UUID) -> sa.ColumnElement[bool]:
    # A subquery for the whole list: with a condition on each run, the database may scan another index.
    owned = sa.select(pipelines.c.id).where(
        pipelines.c.id == pipeline_id, pipelines.c.workspace_id == workspace_id
    )
    return sa.literal(pipeline_id, pipelines.c.id.type) == owned.scalar_subquery()


def _named(workspace_id: UUID, pipeline_id: UUID | None, q: str) -> sa.Subquery:
    """Pipelines of the workspace whose names contain a text."""
    named = sa.select(pipelines.c.id.label("value")).where(
        pipelines.c.workspace_id == workspace_id,
        contains(pipelines.c.name, pipelines.c.name_folded, q),
    )
    if pipeline_id is not None:
        named = named.where(pipelines.c.id == pipeline_id)
    return named.subquery("each_pipeline")


def _bounds(wanted: Filter, before: UUID | None) -> list[sa.ColumnElement[bool]]:
    """Conditions on id and creation time. Times become bounds on the id too, because indexes are ordered by id."""
    conditions: list[sa.ColumnElement[bool]] = []
    lowest, highest = [0], [_LARGEST_ID]
    if before is not None:
        highest.append(before.int - 1)
    if wanted.q is not None and (bounds := _id_range(wanted.q)) is not None:
        lowest.append(bounds[0])
        highest.append(bounds[1])
    # An id begins with its creation time, which differs from the run's `created_at` by less than the slack.
    if wanted.created_after is not None:
        lowest.append(ids.first_at(wanted.created_after).int - _CLOCK_SLACK)
        conditions.append(runs.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        highest.append(ids.first_at(wanted.created_before).int + _CLOCK_SLACK)
        conditions.append(runs.c.created_at < wanted.created_before)
    # One bound on each side: with several, SQLite prefers another index.
    if len(lowest) > 1:
        conditions.append(runs.c.id >= UUID(int=min(max(lowest), _LARGEST_ID)))
    if len(highest) > 1:
        conditions.append(runs.c.id <= UUID(int=max(0, min(highest))))
    return conditions


def _id_range(q: str) -> tuple[int, int] | None:
    digits = q.lower().replace("-", "")
    if not _ID_PREFIX.fullmatch(digits):
        return None
    return int(digits.ljust(32, "0"), 16), int(digits.ljust(32, "f"), 16)


def _run(row: sa.Row[Any], output: Any, steps: Sequence[StepRecord] = ()) -> Run:
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
        reused=row.reused,
        only_step=row.only_step,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        steps=steps,
    )
