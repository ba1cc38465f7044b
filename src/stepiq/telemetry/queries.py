"""Queries of the export: the queue of ended runs, and what their traces are built from."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from stepiq.core.observability import trace_context
from stepiq.store.database import Session
from stepiq.store.tables import (
    large_values,
    operation_payloads,
    pipelines,
    run_operations,
    run_steps,
    runs,
    trace_exports,
)
from stepiq.telemetry.records import (
    CONTENT_CHARACTERS,
    MESSAGES_CHARACTERS,
    ClaimedExport,
    TracedOperation,
    TracedRun,
    TracedStep,
)

LEASE = timedelta(seconds=60)
"""How long no other process takes the runs that a process has claimed."""

_MEMBERS = ("method", "url", "temperature", "max_tokens")
"""Members of recorded requests that are read without the rest."""
_TEXTS = {
    "prompt": ("request", "prompt"),
    "system_prompt": ("request", "system_prompt"),
    "answer": ("response", "text"),
}
"""Fields of content, each with the recorded value and its member."""
_PLAIN = tuple(
    run_operations.c[each.name] for each in fields(TracedOperation) if each.name in run_operations.c
)
_STEP = tuple(
    run_steps.c[each.name]
    for each in fields(TracedStep)
    if each.name in run_steps.c and each.name not in ("prompt", "system_prompt", "output")
)


async def is_due(session: Session, now: datetime) -> bool:
    """Whether runs wait for their export."""
    statement = sa.select(trace_exports.c.run_id).where(trace_exports.c.due_at <= now).limit(1)
    return await session.scalar(statement) is not None


async def claim(session: Session, now: datetime, limit: int) -> list[ClaimedExport]:
    """Take runs that are due, the longest due first, until `now + LEASE`."""
    # SKIP LOCKED lets several processes take different runs at the same time.
    due = (
        sa.select(trace_exports.c.run_id, trace_exports.c.created_at)
        .where(trace_exports.c.due_at <= now)
        .order_by(trace_exports.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [ClaimedExport(*row) for row in await session.execute(due)]
    await session.execute(
        trace_exports.update()
        .where(trace_exports.c.run_id.in_([each.run_id for each in found]))
        .values(due_at=now + LEASE)
    )
    return found


async def postpone(
    session: Session, run_ids: Collection[UUID], claimed_until: datetime, until: datetime
) -> None:
    """Export claimed runs later, except those that another process has claimed meanwhile."""
    ours = _claimed(run_ids, claimed_until)
    await session.execute(trace_exports.update().where(ours).values(due_at=until))


async def finish(session: Session, run_ids: Collection[UUID], claimed_until: datetime) -> None:
    """Remove claimed runs from the queue, except those that another process has claimed meanwhile."""
    await session.execute(sa.delete(trace_exports).where(_claimed(run_ids, claimed_until)))


def _claimed(run_ids: Collection[UUID], until: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(trace_exports.c.run_id.in_(run_ids), trace_exports.c.due_at == until)


async def sizes(session: Session, run_ids: Collection[UUID]) -> dict[UUID, int]:
    """The number of events of runs, which grows with their spans. Deleted runs are absent."""
    statement = sa.select(runs.c.id, runs.c.last_seq).where(runs.c.id.in_(run_ids))
    return {row.id: row.last_seq for row in await session.execute(statement)}


async def load(session: Session, run_ids: Sequence[UUID], *, content: bool) -> list[TracedRun]:
    """Read runs with their steps and operations. `content` adds the beginnings of prompts, requests and results."""
    operations: defaultdict[UUID, list[TracedOperation]] = defaultdict(list)
    is_sqlite = session.dialect == "sqlite"
    statement = _operations(run_ids, is_sqlite=is_sqlite, content=content)
    for row in (await session.execute(statement)).mappings():
        operations[row["step_row_id"]].append(TracedOperation(**row))
    steps: defaultdict[UUID, list[TracedStep]] = defaultdict(list)
    for row in (await session.execute(_steps(run_ids, content=content))).mappings():
        values = dict(row)
        run_id = values.pop("run_id")
        steps[run_id].append(TracedStep(**values, operations=operations[row["id"]]))
    found = (await session.execute(_runs(run_ids))).mappings()
    return [_run(dict(row), steps[row["id"]]) for row in found]


def _runs(run_ids: Sequence[UUID]) -> sa.Select[Any]:
    retried = runs.alias("retried")
    plain = [runs.c[each.name] for each in fields(TracedRun) if each.name in runs.c]
    return (
        sa.select(
            *plain,
            runs.c.traceparent,
            retried.c.traceparent.label("retried_traceparent"),
            pipelines.c.slug.label("pipeline_slug"),
        )
        .join(pipelines, pipelines.c.id == runs.c.pipeline_id)
        .outerjoin(retried, retried.c.id == runs.c.retry_of)
        .where(runs.c.id.in_(run_ids), runs.c.completed_at.is_not(None))
    )


def _run(values: dict[Any, Any], steps: list[TracedStep]) -> TracedRun:
    parent = trace_context.parse(values.pop("traceparent"))
    retried_parent = trace_context.parse(values.pop("retried_traceparent"))
    return TracedRun(**values, parent=parent, retried_parent=retried_parent, steps=steps)


def _steps(run_ids: Sequence[UUID], *, content: bool) -> sa.Select[Any]:
    statement = sa.select(run_steps.c.run_id, *_STEP).where(run_steps.c.run_id.in_(run_ids))
    if content:
        output = sa.func.coalesce(_beginning(run_steps.c.output), _beginning(large_values.c.value))
        statement = statement.add_columns(
            _beginning(run_steps.c.prompt).label("prompt"),
            _beginning(run_steps.c.system_prompt).label("system_prompt"),
            output.label("output"),
        ).outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
    return statement.order_by(run_steps.c.run_id, run_steps.c.ordinal)


def _operations(run_ids: Sequence[UUID], *, is_sqlite: bool, content: bool) -> sa.Select[Any]:
    columns = run_operations.c
    # A large request or response is in a table of its own.
    large = {part: operation_payloads.alias(part) for part in ("request", "response")}
    values = {
        part: sa.func.coalesce(_text(columns[part]), _text(payload.c.value), type_=sa.Text())
        for part, payload in large.items()
    }

    def member(part: str, name: str) -> sa.ColumnElement[Any]:
        return _member(values[part], name, is_sqlite=is_sqlite)

    statement = sa.select(*_PLAIN, *(member("request", each).label(each) for each in _MEMBERS))
    if content:
        statement = statement.add_columns(
            *(
                _beginning(member(part, name)).label(field)
                for field, (part, name) in _TEXTS.items()
            ),
            sa.func.substr(_text(member("request", "messages")), 1, MESSAGES_CHARACTERS).label(
                "messages"
            ),
        )
    # Through the steps, whose runs have an index.
    statement = statement.join_from(
        run_operations, run_steps, run_steps.c.id == columns.step_row_id
    ).where(run_steps.c.run_id.in_(run_ids))
    for part in ("request", "response") if content else ("request",):
        payload = large[part].c
        joined = sa.and_(payload.operation_id == columns.id, payload.part == part)
        statement = statement.outerjoin(large[part], joined)
    return statement.order_by(columns.step_row_id, columns.attempt, columns.number)


def _text(value: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.type_coerce(value, sa.Text())


def _beginning(value: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    # One more character than is exported, so that a text that was cut off can be recognized.
    return sa.func.substr(_text(value), 1, CONTENT_CHARACTERS + 1, type_=sa.Text())


def _member(value: sa.ColumnElement[str], name: str, *, is_sqlite: bool) -> sa.ColumnElement[Any]:
    """A member of an object: a string as it is, an array as JSON."""
    if is_sqlite:
        return sa.func.json_extract(value, f"$.{name}")
    return sa.cast(value, postgresql.JSON())[name].astext
