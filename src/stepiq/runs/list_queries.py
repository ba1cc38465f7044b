"""Queries of lists of runs. Each walks an index from its newest end, and stops at the size of a page.

A filter that has an index of its own is combined with other filters by looking at a bounded number of its runs for each
page. Such a page may be short; the next one continues where it stopped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import ids
from stepiq.runs.queries import run_of, select_runs
from stepiq.runs.records import Filter, Run
from stepiq.store.database import Session
from stepiq.store.statements.rows import row_sizes
from stepiq.store.statements.workspaces import belongs_to, newest_first
from stepiq.store.states import RunStatus, TriggerType
from stepiq.store.tables import pipelines, runs
from stepiq.store.types import contains, has_tag

SCANNED = 2_000
"""Maximum number of runs to look at for a page, if no index has only the wanted runs."""

COUNTED = 10_000
"""Maximum number of runs to count."""

_ID_PREFIX = re.compile(r"0[0-9a-f]{7,31}")
"""Ids begin with their creation time, so the first digit is 0 until the year 2527."""
_CLOCK_SLACK = 60_000 << 80  # a minute, in ids
_LARGEST_ID = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of runs, newest first."""

    ids: Sequence[UUID]
    scanned_to: UUID | None
    """If the scan stopped before the page was full, the last run it looked at; older runs may match."""


@dataclass(frozen=True, slots=True)
class RunCount:
    """How many runs match a filter."""

    count: int
    has_more: bool
    """Whether there may be more, because counting stopped."""


async def page_ids(
    session: Session, workspace_id: UUID, wanted: Filter, *, before: UUID | None, limit: int
) -> Found:
    """The ids of at most `limit` runs of the workspace, newest first."""
    is_sqlite = session.dialect == "sqlite"
    statement = page_statement(
        workspace_id, wanted, before=before, limit=limit, is_sqlite=is_sqlite
    )
    found = list((await session.execute(statement)).scalars())
    scanned_to = None
    if len(found) < limit and _is_scanned(wanted):
        scanned_to = await session.scalar(scan_end_statement(workspace_id, wanted, before=before))
    return Found(found, scanned_to)


async def sizes(session: Session, found: Sequence[UUID]) -> list[int]:
    """The sizes of the data of these runs, newest first."""
    if not found:
        return []
    statement = sa.select(runs.c.id).where(runs.c.id.in_(found)).order_by(runs.c.id.desc())
    return await row_sizes(session, statement, runs.c.input_data, runs.c.output)


async def page(
    session: Session, workspace_id: UUID, found: Sequence[UUID], *, with_data: bool = True
) -> list[Run]:
    """The runs with these ids, newest first, without large outputs. Deleted ones are missing.

    Without data, inputs and outputs are not read: `input_data` is empty and `output` is None.
    """
    if not found:
        return []
    rows = await session.execute(
        select_runs(with_data=with_data).where(
            runs.c.id.in_(found), runs.c.workspace_id == workspace_id
        )
    )
    return sorted((run_of(row, row.output) for row in rows), key=lambda run: run.id, reverse=True)


async def count(session: Session, workspace_id: UUID, wanted: Filter) -> RunCount | None:
    """The number of runs of the workspace that match a filter, without counting more than `COUNTED` of them.

    None if no index has the runs in one place: those of several statuses, triggers or pipelines.
    """
    if _driver(wanted) is None and (_chosen(wanted) or wanted.tag is not None or _is_name(wanted)):
        return None
    is_sqlite = session.dialect == "sqlite"
    found = await session.scalar(count_statement(workspace_id, wanted, is_sqlite=is_sqlite)) or 0
    has_more = found > COUNTED
    if not has_more and _is_scanned(wanted):
        end = await session.scalar(scan_end_statement(workspace_id, wanted, before=None))
        has_more = end is not None
    return RunCount(min(found, COUNTED), has_more)


def count_statement(workspace_id: UUID, wanted: Filter, *, is_sqlite: bool) -> sa.Select[Any]:
    """The number of runs of the workspace, up to one more than `COUNTED`."""
    statement = page_statement(
        workspace_id, wanted, before=None, limit=COUNTED + 1, is_sqlite=is_sqlite
    )
    return sa.select(sa.func.count()).select_from(statement.subquery("counted"))


def page_statement(
    workspace_id: UUID, wanted: Filter, *, before: UUID | None, limit: int, is_sqlite: bool
) -> sa.Select[Any]:
    """Ids of runs of the workspace, newest first."""
    if _driver(wanted) is not None:
        return _driven(workspace_id, wanted, before, limit)
    return _merged(workspace_id, wanted, before, limit, is_sqlite=is_sqlite)


def scan_end_statement(
    workspace_id: UUID, wanted: Filter, *, before: UUID | None
) -> sa.Select[Any]:
    """The id of the last run that `page_statement` looks at; no row if it looks at all."""
    walk = _walk(workspace_id, wanted, before, [runs.c.id], limit=None)
    return walk.offset(SCANNED - 1).limit(1)


def _driver(wanted: Filter) -> tuple[sa.Column[Any], Any] | None:
    """The filter whose index is walked: the column and its value."""
    if wanted.error_code is not None:
        return runs.c.error_code, wanted.error_code
    if wanted.version is not None:
        return runs.c.pipeline_version, wanted.version
    if wanted.caller_id is not None:
        return runs.c.caller_id, wanted.caller_id
    if wanted.with_failures:
        return runs.c.status, RunStatus.COMPLETED
    return None


def _is_scanned(wanted: Filter) -> bool:
    return _driver(wanted) is not None and bool(_remaining(wanted, runs.c))


def _driven(workspace_id: UUID, wanted: Filter, before: UUID | None, limit: int) -> sa.Select[Any]:
    if not _is_scanned(wanted):
        return _walk(workspace_id, wanted, before, [runs.c.id], limit=limit)
    columns = [column for column, _ in _remaining(wanted, runs.c)]
    looked_at = _walk(workspace_id, wanted, before, [runs.c.id, *columns], limit=SCANNED)
    window = looked_at.subquery("looked_at")
    conditions = [condition for _, condition in _remaining(wanted, window.c)]
    if wanted.tag is not None or _is_name(wanted):
        conditions.append(window.c.pipeline_id.in_(_named(workspace_id, wanted)))
    return sa.select(window.c.id).where(*conditions).order_by(window.c.id.desc()).limit(limit)


def _walk(
    workspace_id: UUID,
    wanted: Filter,
    before: UUID | None,
    columns: Sequence[sa.ColumnElement[Any]],
    *,
    limit: int | None,
) -> sa.Select[Any]:
    """Runs by the index of `_driver`, newest first."""
    driver = _driver(wanted)
    assert driver is not None  # noqa: S101 - only called with one
    column, value = driver
    conditions = [*_bounds(wanted, before), belongs_to(column, value)]
    if column is runs.c.status:
        conditions.append(_has_failures(runs.c))
    owner, owner_id = runs.c.workspace_id, workspace_id
    if column is runs.c.pipeline_version and wanted.pipeline_id is not None:
        owner, owner_id = runs.c.pipeline_id, wanted.pipeline_id
        conditions.append(_is_owned(workspace_id, wanted.pipeline_id))
    conditions.append(belongs_to(owner, owner_id))
    walk = sa.select(*columns).where(*conditions).order_by(*newest_first(owner, column))
    return walk if limit is None else walk.limit(limit)


def _has_failures(of: Any) -> sa.ColumnElement[bool]:
    # Not a parameter: databases use the partial index only for its very condition.
    return of.failed_steps > sa.literal_column("0")


def _remaining(
    wanted: Filter, of: Any
) -> list[tuple[sa.ColumnElement[Any], sa.ColumnElement[bool]]]:
    """The conditions that the index of `_driver` does not check, each with the column that it needs."""
    driver = _driver(wanted)
    column = None if driver is None else driver[0]
    found: list[tuple[sa.ColumnElement[Any], sa.ColumnElement[bool]]] = []
    if wanted.statuses and len(wanted.statuses) < len(RunStatus):
        found.append((of.status, of.status.in_(sorted(wanted.statuses))))
    if wanted.with_failures and column is not runs.c.status:
        found.append((of.failed_steps, _has_failures(of)))
    if wanted.trigger_type is not None:
        found.append((of.trigger_type, of.trigger_type == wanted.trigger_type))
    if wanted.version is not None and column is not runs.c.pipeline_version:
        found.append((of.pipeline_version, of.pipeline_version == wanted.version))
    if wanted.caller_id is not None and column is not runs.c.caller_id:
        found.append((of.caller_id, of.caller_id == wanted.caller_id))
    if wanted.pipeline_id is not None and column is not runs.c.pipeline_version:
        found.append((of.pipeline_id, of.pipeline_id == wanted.pipeline_id))
    elif wanted.tag is not None or _is_name(wanted):
        # The condition itself is a subquery of pipelines.
        found.append((of.pipeline_id, sa.true()))
    return found


def _merged(
    workspace_id: UUID, wanted: Filter, before: UUID | None, limit: int, *, is_sqlite: bool
) -> sa.Select[Any]:
    """Runs by status, trigger and pipeline.

    The index is ordered by id within one status, one trigger and one pipeline. For several of them, each combination is
    scanned separately up to the size of a page, and the results are merged.
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
    if wanted.tag is not None or _is_name(wanted):
        several.append(_named(workspace_id, wanted).subquery("each_pipeline"))
        owner, value = runs.c.pipeline_id, several[-1].c.value
    conditions.append(belongs_to(owner, value))
    order = newest_first(owner)
    walk = sa.select(runs.c.id).where(*conditions).order_by(*order).limit(limit)
    if not several:
        return walk
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
    return sa.select(found.c.id).select_from(combined).order_by(found.c.id.desc()).limit(limit)


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


def _named(workspace_id: UUID, wanted: Filter) -> sa.Select[Any]:
    """Pipelines of the workspace with the wanted tag, and with names that contain the wanted text."""
    named = sa.select(pipelines.c.id.label("value")).where(pipelines.c.workspace_id == workspace_id)
    if wanted.q is not None and _is_name(wanted):
        named = named.where(contains(pipelines.c.name_folded, wanted.q))
    if wanted.tag is not None:
        named = named.where(has_tag(pipelines.c.tags, wanted.tag))
    if wanted.pipeline_id is not None:
        named = named.where(pipelines.c.id == wanted.pipeline_id)
    return named


def _is_name(wanted: Filter) -> bool:
    return wanted.q is not None and id_range(wanted.q) is None


def _bounds(wanted: Filter, before: UUID | None) -> list[sa.ColumnElement[bool]]:
    """Conditions on id and creation time. Times become bounds on the id too, because indexes are ordered by id."""
    conditions: list[sa.ColumnElement[bool]] = []
    lowest, highest = [0], [_LARGEST_ID]
    if before is not None:
        highest.append(before.int - 1)
    if wanted.q is not None and (bounds := id_range(wanted.q)) is not None:
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


def id_range(q: str) -> tuple[int, int] | None:
    """The ids that begin with a text; None if the text is not the beginning of an id."""
    text = q.lower()
    digits = text.replace("-", "")
    if not _ID_PREFIX.fullmatch(digits):
        return None
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    if text != digits and not str(first).startswith(text):
        # Its dashes are at other places than those of an id.
        return None
    return first.int, last.int
