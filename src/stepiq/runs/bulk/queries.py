"""Queries of bulk jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.actor import Scope, roles_with
from stepiq.runs.bulk.records import (
    BulkFailures,
    BulkItem,
    BulkJob,
    JobCaller,
    JobToContinue,
    RetryOptions,
)
from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.statements.workspaces import (
    PLAN,
    belongs_to,
    has_enabled_member,
    membership_of,
    newest_first,
)
from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus, KeyKind, Role
from stepiq.store.tables import api_keys, bulk_items, bulk_jobs, memberships, users, workspaces

_UNFINISHED = bulk_jobs.c.completed_at.is_(None)


async def insert(session: Session, job: BulkJob, run_ids: Sequence[UUID]) -> None:
    """Insert a job with its items."""
    await session.execute(
        bulk_jobs.insert().values(
            id=job.id,
            workspace_id=job.workspace_id,
            user_id=job.user_id,
            key_id=job.key_id,
            action=job.action,
            name=job.name,
            options={"from": job.retry.start, "latest_version": job.retry.latest_version},
            status=job.status,
            total=job.total,
            has_more=job.has_more,
            created_at=job.created_at,
        )
    )
    if run_ids:
        await session.execute(
            bulk_items.insert(),
            [
                {
                    "job_id": job.id,
                    "position": position,
                    "run_id": run_id,
                    "status": BulkItemStatus.PENDING,
                }
                for position, run_id in enumerate(run_ids, start=1)
            ],
        )


async def count_unfinished(session: Session, workspace_id: UUID) -> int:
    """The number of jobs of the workspace that have not ended."""
    return await session.scalar(
        sa.select(sa.func.count())
        .select_from(bulk_jobs)
        .where(bulk_jobs.c.workspace_id == workspace_id, _UNFINISHED)
    )


async def find(session: Session, workspace_id: UUID, job_id: UUID) -> BulkJob | None:
    """A job of the workspace with the codes of its failures."""
    found = await session.execute(
        sa.select(bulk_jobs).where(
            bulk_jobs.c.id == job_id, bulk_jobs.c.workspace_id == workspace_id
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    number = sa.func.count().label("number")
    failures = await session.execute(
        sa.select(bulk_items.c.code, number)
        .where(
            bulk_items.c.job_id == job_id,
            # The condition of the index, which the database must recognize.
            bulk_items.c.status == sa.literal_column("'failed'"),
        )
        .group_by(bulk_items.c.code)
        .order_by(number.desc(), bulk_items.c.code)
    )
    return _job(row, [BulkFailures(each.code, each.number) for each in failures])


def page_statement(workspace_id: UUID, *, before: UUID | None, limit: int) -> sa.Select[Any]:
    """Jobs of the workspace, newest first."""
    statement = sa.select(bulk_jobs).where(belongs_to(bulk_jobs.c.workspace_id, workspace_id))
    if before is not None:
        statement = statement.where(bulk_jobs.c.id < before)
    return statement.order_by(*newest_first(bulk_jobs.c.workspace_id)).limit(limit)


async def page(session: Session, statement: sa.Select[Any]) -> list[BulkJob]:
    """Execute `page_statement`."""
    return [_job(row) for row in await session.execute(statement)]


def items_statement(
    job_id: UUID, status: BulkItemStatus | None, *, after: int, limit: int
) -> sa.Select[Any]:
    """Items of a job after a position, in order."""
    statement = sa.select(bulk_items).where(
        bulk_items.c.job_id == job_id, bulk_items.c.position > after
    )
    if status is not None:
        statement = statement.where(bulk_items.c.status == status)
    return statement.order_by(bulk_items.c.position).limit(limit)


async def items(session: Session, statement: sa.Select[Any]) -> list[BulkItem]:
    """Execute `items_statement`."""
    return [_item(row) for row in await session.execute(statement)]


def first_statement(now: datetime, limit: int, *, after: UUID) -> sa.Select[Any, Any, Any]:
    """The oldest unfinished job of each workspace after an id, except those that wait, ordered by workspace."""
    earlier = bulk_jobs.alias("earlier")
    is_first = ~sa.exists().where(
        earlier.c.workspace_id == bulk_jobs.c.workspace_id,
        earlier.c.id < bulk_jobs.c.id,
        earlier.c.completed_at.is_(None),
    )
    can_continue = sa.or_(bulk_jobs.c.continue_at.is_(None), bulk_jobs.c.continue_at <= now)
    columns = bulk_jobs.c.id, bulk_jobs.c.workspace_id, bulk_jobs.c.action
    return (
        sa.select(*columns)
        .where(_UNFINISHED, bulk_jobs.c.workspace_id > after, is_first, can_continue)
        .order_by(bulk_jobs.c.workspace_id)
        .limit(limit)
    )


async def first_jobs(session: Session, statement: sa.Select[Any, Any, Any]) -> list[JobToContinue]:
    """Execute `first_statement`."""
    rows = await session.execute(statement)
    return [JobToContinue(row.id, row.workspace_id, BulkAction(row.action)) for row in rows]


async def take(session: Session, job_id: UUID) -> BulkJob | None:
    """Lock an unfinished job; None if it has ended, or if another transaction has locked it."""
    found = await session.execute(
        sa.select(bulk_jobs)
        .where(bulk_jobs.c.id == job_id, _UNFINISHED)
        .with_for_update(skip_locked=True)
    )
    row = found.one_or_none()
    return None if row is None else _job(row)


async def caller_of(session: Session, job: BulkJob) -> JobCaller | None:
    """The caller that created a job; None if it can no longer change runs.

    That is a key that was revoked, a service key whose workspace has no enabled member, or a user who is disabled, or
    not a member with such a role any more. A key that has expired still counts: its end was planned.
    """
    key = sa.exists().where(api_keys.c.id == job.key_id, api_keys.c.revoked_at.is_(None))
    by_service_key = key.where(
        api_keys.c.kind == KeyKind.SERVICE, has_enabled_member(api_keys.c.workspace_id)
    )
    # The creator of a service key may be a member, but the key does not act as one.
    by_user = sa.true() if job.key_id is None else key.where(api_keys.c.kind == KeyKind.PERSONAL)
    role = (
        sa.select(memberships.c.role)
        .join(users, membership_of(users.c.id))
        .where(
            users.c.id == job.user_id,
            users.c.disabled_at.is_(None),
            memberships.c.workspace_id == job.workspace_id,
            memberships.c.role.in_(roles_with(Scope.PIPELINES_EXECUTE)),
            by_user,
        )
        .scalar_subquery()
    )
    found = await session.execute(
        sa.select(PLAN, role.label("role")).where(
            workspaces.c.id == job.workspace_id, sa.or_(by_service_key, role.is_not(None))
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    return JobCaller(row.plan, None if row.role is None else Role(row.role))


async def lock(session: Session, workspace_id: UUID, job_id: UUID) -> BulkStatus | None:
    """Lock a job of the workspace; returns its status."""
    status = await session.scalar(
        sa.select(bulk_jobs.c.status)
        .where(bulk_jobs.c.id == job_id, bulk_jobs.c.workspace_id == workspace_id)
        .with_for_update()
    )
    return None if status is None else BulkStatus(status)


async def begin(session: Session, job_id: UUID, now: datetime) -> None:
    """Record that a job has started."""
    await session.execute(
        bulk_jobs.update()
        .where(bulk_jobs.c.id == job_id, bulk_jobs.c.started_at.is_(None))
        .values(status=BulkStatus.RUNNING, started_at=now)
    )


async def settle(session: Session, job_id: UUID, item: BulkItem) -> None:
    """Record the result of an item."""
    is_done = item.status is BulkItemStatus.DONE
    await session.execute(
        bulk_items.update()
        .where(bulk_items.c.job_id == job_id, bulk_items.c.position == item.position)
        .values(
            status=item.status, code=item.code, message=item.message, new_run_id=item.new_run_id
        )
    )
    counter = bulk_jobs.c.done if is_done else bulk_jobs.c.failed
    await session.execute(
        bulk_jobs.update()
        .where(bulk_jobs.c.id == job_id)
        .values({counter: counter + 1, bulk_jobs.c.continue_at: None})
    )


async def postpone(session: Session, job_id: UUID, until: datetime) -> None:
    """Let a job wait."""
    await session.execute(
        bulk_jobs.update().where(bulk_jobs.c.id == job_id).values(continue_at=until)
    )


async def end(session: Session, job_id: UUID, status: BulkStatus, now: datetime) -> None:
    """Record that a job has ended."""
    await session.execute(
        bulk_jobs.update()
        .where(bulk_jobs.c.id == job_id)
        .values(status=status, completed_at=now, continue_at=None)
    )


def _job(row: sa.Row[Any], failures: Sequence[BulkFailures] = ()) -> BulkJob:
    return BulkJob(
        id=row.id,
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        key_id=row.key_id,
        action=BulkAction(row.action),
        name=row.name,
        retry=RetryOptions(row.options["from"], row.options["latest_version"]),
        status=BulkStatus(row.status),
        total=row.total,
        done=row.done,
        failed=row.failed,
        has_more=row.has_more,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        failures=failures,
    )


async def delete_ended(session: Session, before: datetime, limit: int) -> int:
    """Delete jobs that ended before a moment, with their items; returns the number deleted."""
    return await sweeping.delete_oldest(session, bulk_jobs.c.completed_at, before, limit)


def _item(row: sa.Row[Any]) -> BulkItem:
    return BulkItem(
        position=row.position,
        run_id=row.run_id,
        status=BulkItemStatus(row.status),
        code=row.code,
        message=row.message,
        new_run_id=row.new_run_id,
    )
