"""Operations on bulk jobs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.core import clock, ids
from stepiq.core.errors import Conflict, LimitReached, NotFound
from stepiq.core.json import Json
from stepiq.execution.limits import quotas
from stepiq.runs import list_queries
from stepiq.runs.bulk import queries
from stepiq.runs.bulk.records import BulkJob, RetryOptions
from stepiq.runs.records import Filter
from stepiq.store.database import Session
from stepiq.store.states import FINAL_RUN_STATUSES, BulkAction, BulkStatus, RunStatus


async def on_bulk_job(session: Session, actor: Actor, action: Action, job: BulkJob) -> None:
    """Record that a bulk job was created or cancelled."""
    target = AuditTarget(AuditTargetType.BULK_JOB, job.id, job.name)
    after: dict[str, Json] = {"action": job.action, "status": job.status, "total": job.total}
    await audit.record(session, actor, action, target, after=after)


class BulkJobNotFound(NotFound):
    """The bulk job does not exist, or belongs to another workspace."""

    code = "bulk_job_not_found"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"Bulk job {job_id} does not exist.", job_id=job_id)


class BulkJobAlreadyFinished(Conflict):
    """The bulk job has ended and cannot be cancelled."""

    code = "bulk_job_already_finished"

    def __init__(self, job_id: UUID, status: BulkStatus) -> None:
        super().__init__(f"Bulk job {job_id} is already {status}.", job_id=job_id, status=status)


class TooManyBulkJobs(LimitReached):
    """The workspace has reached its limit of unfinished bulk jobs."""

    code = "too_many_bulk_jobs"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Your workspace has {limit} unfinished bulk jobs, which is the maximum. Wait until one of them ends, or "
            "cancel one.",
            limit=limit,
        )


MAX_RUNS = 10_000
"""Maximum number of runs of a job."""
MAX_JOBS = 10
"""Maximum number of unfinished jobs of a workspace."""

_PAGE = 1_000
_MAX_PAGES = 50
"""Maximum number of pages to read for a filter. Each looks at a bounded number of runs."""
_LIMIT = "bulk_jobs"
_STATUSES = {
    BulkAction.CANCEL: frozenset(RunStatus) - FINAL_RUN_STATUSES,
    BulkAction.RETRY: FINAL_RUN_STATUSES,
}
"""The runs that an action can change."""


async def create(
    session: Session,
    actor: Actor,
    action: BulkAction,
    chosen: Sequence[UUID] | Filter,
    *,
    name: str | None = None,
    retry: RetryOptions | None = None,
) -> BulkJob:
    """Store a job, whose runs are fixed now. A worker executes it after the commit.

    Raises:
        TooManyBulkJobs: the workspace has too many unfinished jobs.
    """
    await quotas.lock(session, actor.workspace_id, _LIMIT)
    if await queries.count_unfinished(session, actor.workspace_id) >= MAX_JOBS:
        raise TooManyBulkJobs(MAX_JOBS)
    has_more = False
    if isinstance(chosen, Filter):
        found, has_more = await _matching(session, actor.workspace_id, action, chosen)
    else:
        found = list(dict.fromkeys(chosen))
    job = BulkJob(
        id=ids.uuid7(),
        workspace_id=actor.workspace_id,
        user_id=actor.user_id,
        key_id=actor.key_id,
        action=action,
        name=name or _name(action, len(found)),
        retry=retry or RetryOptions(),
        status=BulkStatus.PENDING,
        total=len(found),
        done=0,
        failed=0,
        has_more=has_more,
        created_at=clock.now(),
        started_at=None,
        completed_at=None,
    )
    await queries.insert(session, job, found)
    await on_bulk_job(session, actor, Action.BULK_JOB_CREATED, job)
    return job


def _name(action: BulkAction, total: int) -> str:
    return f"{action.capitalize()} {total:,} run{'' if total == 1 else 's'}"


async def _matching(
    session: Session, workspace_id: UUID, action: BulkAction, wanted: Filter
) -> tuple[list[UUID], bool]:
    """The newest runs that a filter matches and an action can change, and whether there may be more."""
    statuses = _STATUSES[action] & (wanted.statuses or _STATUSES[action])
    found: list[UUID] = []
    if not statuses:
        return found, False
    before: UUID | None = None
    for _ in range(_MAX_PAGES):
        page = await list_queries.page_ids(
            session,
            workspace_id,
            replace(wanted, statuses=statuses),
            before=before,
            limit=min(_PAGE, MAX_RUNS + 1 - len(found)),
        )
        found += page.ids
        if len(found) > MAX_RUNS:
            return found[:MAX_RUNS], True
        before = page.scanned_to or (page.ids[-1] if len(page.ids) == _PAGE else None)
        if before is None:
            return found, False
    return found, True


async def get(session: Session, actor: Actor, job_id: UUID) -> BulkJob:
    """A job.

    Raises:
        BulkJobNotFound: the actor's workspace has no such job.
    """
    job = await queries.find(session, actor.workspace_id, job_id)
    if job is None:
        raise BulkJobNotFound(job_id)
    return job


async def cancel(session: Session, actor: Actor, job_id: UUID) -> BulkJob:
    """Stop a job. Its remaining runs do not change.

    Raises:
        BulkJobNotFound: the actor's workspace has no such job.
        BulkJobAlreadyFinished: the job has ended.
    """
    status = await queries.lock(session, actor.workspace_id, job_id)
    if status is None:
        raise BulkJobNotFound(job_id)
    if status.is_final:
        raise BulkJobAlreadyFinished(job_id, status)
    await queries.end(session, job_id, BulkStatus.CANCELLED, clock.now())
    job = await get(session, actor, job_id)
    await on_bulk_job(session, actor, Action.BULK_JOB_CANCELLED, job)
    return job


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a job that ended longer ago than `kept`, which can have 10,000 items; returns the number deleted."""
    return await queries.delete_ended(session, now - kept, 1)
