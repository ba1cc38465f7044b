"""Queries of pipelines. Every list scans an index from its newest end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepiq.core import clock
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.records import (
    Author,
    LastRun,
    ListedVersion,
    Management,
    Pause,
    Pipeline,
    Target,
    Version,
    text_digest,
)
from stepiq.store.database import Session
from stepiq.store.statements.rows import row_sizes
from stepiq.store.statements.workspaces import belongs_to, newest_first
from stepiq.store.states import FIRST_DRAFT_VERSION, ManagedBy, PipelineStatus, RunStatus
from stepiq.store.tables import (
    pipeline_versions,
    pipelines,
    runs,
    users,
)
from stepiq.store.types import contains, fold, has_tag

NOT_PAUSED: dict[str, Any] = {"paused_at": None, "paused_by": None, "pause_reason": None}
"""The values of columns of a pipeline that is not paused."""
MAX_RUNS = 1_000
"""Maximum number of runs to count for each version in a list."""

_newest = (
    # One index seek per pipeline, instead of a query per pipeline or a scan of all runs.
    sa.select(runs.c.id)
    .where(
        belongs_to(runs.c.pipeline_id, pipelines.c.id),
        # An expression, so that the database does not scan the index of versions instead.
        runs.c.pipeline_version + 0 < FIRST_DRAFT_VERSION,
    )
    .order_by(*newest_first(runs.c.pipeline_id))
    .limit(1)
    .correlate(pipelines)
    .scalar_subquery()
)

_select_brief = (
    sa.select(
        pipelines,
        runs.c.id.label("run_id"),
        runs.c.status.label("run_status"),
        runs.c.created_at.label("run_created_at"),
        runs.c.failed_steps.label("run_failed_steps"),
        users.c.name.label("pauser_name"),
        users.c.email.label("pauser_email"),
        pipeline_versions.c.source_format,
        pipeline_versions.c.source_sha256,
    )
    .join(
        pipeline_versions,
        sa.and_(
            pipeline_versions.c.pipeline_id == pipelines.c.id,
            pipeline_versions.c.version == pipelines.c.version,
        ),
    )
    .outerjoin(runs, runs.c.id == _newest)
    .outerjoin(users, users.c.id == pipelines.c.paused_by)
)

_select = _select_brief.add_columns(pipeline_versions.c.definition)

_of_workspace = sa.select(
    pipelines.c.id,
    pipelines.c.name,
    pipelines.c.status,
    pipelines.c.paused_at,
    pipelines.c.pause_reason,
    pipelines.c.version,
).where(
    pipelines.c.id == sa.bindparam("pipeline", type_=pipelines.c.id.type),
    pipelines.c.workspace_id == sa.bindparam("workspace", type_=pipelines.c.workspace_id.type),
)
_TARGET = _of_workspace.where(pipelines.c.is_unsaved.is_(False))
_LOCK = _TARGET.with_for_update(key_share=True)
_LOCK_TO_PAUSE = _TARGET.with_for_update()
_LOCK_TO_RUN = _TARGET.with_for_update(read=True, key_share=True)
_LOCK_UNSAVED = _of_workspace.where(pipelines.c.is_unsaved.is_(True)).with_for_update()


async def find(session: Session, workspace_id: UUID, pipeline_id: UUID) -> Pipeline | None:
    """A saved pipeline of the workspace."""
    statement = _select.where(
        pipelines.c.id == pipeline_id,
        pipelines.c.workspace_id == workspace_id,
        pipelines.c.is_unsaved.is_(False),
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _pipeline(row)


async def lock(session: Session, workspace_id: UUID, pipeline_id: UUID) -> Target | None:
    """Lock and return a pipeline of the workspace. Transactions that start its runs do not wait for this lock."""
    return await _target(session, _LOCK, workspace_id, pipeline_id)


async def lock_to_pause(session: Session, workspace_id: UUID, pipeline_id: UUID) -> Target | None:
    """Lock and return a pipeline of the workspace, after the transactions that are starting its runs have ended."""
    return await _target(session, _LOCK_TO_PAUSE, workspace_id, pipeline_id)


async def lock_to_run(session: Session, workspace_id: UUID, pipeline_id: UUID) -> Target | None:
    """Return a pipeline of the workspace, which cannot be paused until this transaction ends."""
    return await _target(session, _LOCK_TO_RUN, workspace_id, pipeline_id)


async def lock_to_trigger(
    session: Session, pipeline_ids: Collection[UUID]
) -> dict[UUID, PipelineStatus]:
    """The statuses of some pipelines. Active ones cannot be paused until this transaction ends.

    A transaction that has locked schedules can call this: pausing waits for no other lock.
    """
    statement = (
        sa.select(pipelines.c.id, pipelines.c.status, pipelines.c.paused_at)
        .where(pipelines.c.id.in_(pipeline_ids))
        .order_by(pipelines.c.id)
        .with_for_update(read=True, key_share=True)
    )
    return {row.id: status_of(row) for row in await session.execute(statement)}


async def target(session: Session, workspace_id: UUID, pipeline_id: UUID) -> Target | None:
    """The data of a pipeline of the workspace that a trigger needs."""
    return await _target(session, _TARGET, workspace_id, pipeline_id)


async def lock_unsaved(session: Session, workspace_id: UUID, pipeline_id: UUID) -> Target | None:
    """Lock and return the row of a pipeline that was never saved, only run."""
    return await _target(session, _LOCK_UNSAVED, workspace_id, pipeline_id)


async def _target(
    session: Session, statement: sa.Executable, workspace_id: UUID, pipeline_id: UUID
) -> Target | None:
    values = {"workspace": workspace_id, "pipeline": pipeline_id}
    row = (await session.execute(statement, values)).one_or_none()
    if row is None:
        return None
    return Target(row.id, row.name, status_of(row), row.version, row.paused_at, row.pause_reason)


def status_of(row: sa.Row[Any]) -> PipelineStatus:
    """The status of a row with `status` and `paused_at`."""
    status = PipelineStatus(row.status)
    is_paused = status is PipelineStatus.ACTIVE and row.paused_at is not None
    return PipelineStatus.PAUSED if is_paused else status


def is_listed_as(status: PipelineStatus | None) -> sa.ColumnElement[bool]:
    """Whether a pipeline has a status; with None, whether it is not archived. All use the index of the stored status."""
    if status is PipelineStatus.ARCHIVED:
        return pipelines.c.status == PipelineStatus.ARCHIVED
    is_kept = pipelines.c.status == PipelineStatus.ACTIVE
    if status is None:
        return is_kept
    is_paused = pipelines.c.paused_at.is_not(None)
    return sa.and_(is_kept, is_paused if status is PipelineStatus.PAUSED else ~is_paused)


async def count_active(session: Session, workspace_id: UUID, at_most: int) -> int:
    """The number of pipelines of the workspace that are not archived, at most `at_most`."""
    return await session.scalar(count_statement(workspace_id, at_most))


def count_statement(workspace_id: UUID, at_most: int) -> sa.Select[Any]:
    """Count the pipelines of the workspace that are not archived, up to `at_most`."""
    active = (
        sa.select(pipelines.c.id)
        .where(pipelines.c.workspace_id == workspace_id, is_listed_as(None))
        .limit(at_most)
    )
    return sa.select(sa.func.count()).select_from(active.subquery())


def page_statement(
    workspace_id: UUID,
    *,
    status: PipelineStatus | None,
    tag: str | None,
    q: str | None,
    before: UUID | None,
    limit: int,
    with_definition: bool = True,
) -> sa.Select[Any]:
    """Pipelines of the workspace, newest first; without a status, those that are not archived.

    Tag, name and whether it is paused filter the rows that the index scan returns. Without definitions, those of the
    result are None.
    """
    statement = (_select if with_definition else _select_brief).where(
        belongs_to(pipelines.c.workspace_id, workspace_id),
        pipelines.c.is_unsaved.is_(False),
        is_listed_as(status),
    )
    if tag is not None:
        statement = statement.where(has_tag(pipelines.c.tags, tag))
    if q is not None:
        statement = statement.where(
            sa.or_(
                contains(pipelines.c.name_folded, q),
                pipelines.c.slug.contains(fold(q), autoescape=True),
            )
        )
    if before is not None:
        statement = statement.where(pipelines.c.id < before)
    return statement.order_by(*newest_first(pipelines.c.workspace_id)).limit(limit)


async def sizes(session: Session, statement: sa.Select[Any]) -> list[int]:
    """The sizes of the definitions that `page_statement` reads."""
    return await row_sizes(session, statement, pipeline_versions.c.definition)


async def page(session: Session, statement: sa.Select[Any]) -> list[Pipeline]:
    """Execute `page_statement`."""
    return [_pipeline(row) for row in await session.execute(statement)]


async def insert(session: Session, pipeline: Pipeline) -> bool:
    """Insert a pipeline without its version; False, without a change, if its slug is taken."""
    added = await session.execute(
        session.insert(pipelines)
        .values(
            id=pipeline.id,
            workspace_id=pipeline.workspace_id,
            slug=pipeline.slug,
            name=pipeline.name,
            name_folded=fold(pipeline.name),
            description=pipeline.description,
            tags=pipeline.tags,
            status=pipeline.status,
            version=pipeline.version,
            **pipeline.management.columns,
            created_at=pipeline.created_at,
            updated_at=pipeline.updated_at,
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "slug"])
        .returning(pipelines.c.id)
    )
    return added.one_or_none() is not None


async def insert_unsaved(session: Session, workspace_id: UUID, target: Target) -> None:
    """Insert the row of a pipeline that was never saved, unless the pipeline has a row."""
    now = clock.now()
    await session.execute(
        session.insert(pipelines)
        .values(
            id=target.id,
            workspace_id=workspace_id,
            slug=f"draft-{target.id}",
            name=target.name,
            name_folded=fold(target.name),
            tags=[],
            status=target.status,
            version=1,
            is_unsaved=True,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )


async def insert_first(session: Session, pipeline: Pipeline) -> bool:
    """Save a pipeline in place of its locked unsaved row; False, without a change, if its slug is taken."""
    values = {
        "slug": pipeline.slug,
        "name": pipeline.name,
        "description": pipeline.description,
        "tags": pipeline.tags,
        "status": pipeline.status,
        "version": pipeline.version,
        "is_unsaved": False,
        **pipeline.management.columns,
        "created_at": pipeline.created_at,
    }
    return await update(session, pipeline.id, values, pipeline.updated_at)


async def insert_version(
    session: Session,
    workspace_id: UUID,
    version: Version,
    *,
    secret_names: Sequence[str],
    step_packages: Mapping[str, str],
) -> None:
    """Insert a version. `step_packages` are the packages of its step types that are not built in."""
    await session.execute(
        pipeline_versions.insert().values(
            **version_row(workspace_id, version),
            secret_names=secret_names,
            step_packages=step_packages or None,
        )
    )


def version_row(workspace_id: UUID, version: Version) -> dict[str, Any]:
    """The columns of a version that a saved one and the text of a draft have."""
    return {
        "pipeline_id": version.pipeline_id,
        "version": version.version,
        "workspace_id": workspace_id,
        "source": version.text,
        "source_format": version.source_format,
        "source_sha256": text_digest(version.text),
        "definition": version.definition,
        "created_by": version.created_by,
        "created_at": version.created_at,
    }


async def update(
    session: Session, pipeline_id: UUID, values: dict[str, Any], updated_at: datetime
) -> bool:
    """Change columns of a locked pipeline; False, without a change, if its new slug is taken."""
    if "name" in values:
        values = {**values, "name_folded": fold(values["name"])}
    try:
        async with session.savepoint():
            await session.execute(
                pipelines.update()
                .where(pipelines.c.id == pipeline_id)
                .values(**values, updated_at=updated_at)
            )
    except IntegrityError:
        return False
    return True


def versions_statement(
    workspace_id: UUID, pipeline_id: UUID, *, before: int | None, limit: int
) -> sa.Select[Any]:
    """Versions of a pipeline, newest first, without drafts that were run. Counts the runs of each up to a limit."""
    versions = pipeline_versions.c
    counted = (
        sa.select(runs.c.id)
        .where(
            runs.c.pipeline_id == versions.pipeline_id,
            runs.c.pipeline_version == versions.version,
        )
        .correlate(pipeline_versions)
        .limit(MAX_RUNS + 1)
        .subquery("counted")
    )
    number = sa.select(sa.func.count()).select_from(counted).correlate(pipeline_versions)
    columns: list[sa.ColumnElement[Any]] = [
        versions.pipeline_id,
        versions.version,
        versions.source_format,
        versions.created_by,
        versions.created_at,
        users.c.name,
        users.c.email,
        number.scalar_subquery().label("runs"),
    ]
    return (
        sa.select(*columns)
        .join(users, users.c.id == versions.created_by)
        .where(
            versions.pipeline_id == pipeline_id,
            versions.workspace_id == workspace_id,
            versions.version < (FIRST_DRAFT_VERSION if before is None else before),
        )
        .order_by(versions.version.desc())
        .limit(limit)
    )


async def versions(session: Session, statement: sa.Select[Any]) -> list[ListedVersion]:
    """Execute `versions_statement`."""
    return [
        ListedVersion(
            pipeline_id=row.pipeline_id,
            version=row.version,
            source_format=SourceFormat(row.source_format),
            author=Author(row.created_by, row.name, row.email),
            created_at=row.created_at,
            runs=min(row.runs, MAX_RUNS),
            runs_complete=row.runs <= MAX_RUNS,
        )
        for row in await session.execute(statement)
    ]


async def version(
    session: Session, workspace_id: UUID, pipeline_id: UUID, number: int
) -> Version | None:
    """One version of a pipeline."""
    row = (
        await session.execute(
            sa.select(pipeline_versions).where(
                pipeline_versions.c.pipeline_id == pipeline_id,
                pipeline_versions.c.version == number,
                pipeline_versions.c.workspace_id == workspace_id,
            )
        )
    ).one_or_none()
    return None if row is None else _version(row)


async def delete_version(session: Session, pipeline_id: UUID, number: int) -> bool:
    """Delete a version; False, without a change, if it has runs."""
    try:
        async with session.savepoint():
            await session.execute(
                pipeline_versions.delete().where(
                    pipeline_versions.c.pipeline_id == pipeline_id,
                    pipeline_versions.c.version == number,
                )
            )
    except IntegrityError:
        return False
    return True


def _pipeline(row: sa.Row[Any]) -> Pipeline:
    last_run = None
    if row.run_id is not None:
        last_run = LastRun(
            row.run_id, RunStatus(row.run_status), row.run_created_at, row.run_failed_steps
        )
    pause, status = None, status_of(row)
    if status is PipelineStatus.PAUSED:
        author = Author(row.paused_by, row.pauser_name, row.pauser_email)
        pause = Pause(row.paused_at, author, row.pause_reason)
    digest = row.source_sha256
    return Pipeline(
        id=row.id,
        workspace_id=row.workspace_id,
        slug=row.slug,
        name=row.name,
        description=row.description,
        definition=getattr(row, "definition", None),
        version=row.version,
        source_format=SourceFormat(row.source_format),
        text_sha256=digest.hex(),
        status=status,
        tags=row.tags,
        last_run=last_run,
        created_at=row.created_at,
        updated_at=row.updated_at,
        pause=pause,
        management=Management(row.managed_by and ManagedBy(row.managed_by), row.managed_source),
    )


def _version(row: sa.Row[Any]) -> Version:
    return Version(
        pipeline_id=row.pipeline_id,
        version=row.version,
        definition=row.definition,
        text=row.source,
        source_format=SourceFormat(row.source_format),
        created_by=row.created_by,
        created_at=row.created_at,
    )
