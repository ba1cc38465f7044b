"""Routes of bulk jobs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs, require_scope
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.pipelines.references import id_of
from stepiq.runs.bulk import queries, schemas, service
from stepiq.runs.bulk.errors import BulkJobAlreadyFinished, BulkJobNotFound, TooManyBulkJobs
from stepiq.runs.bulk.records import BulkJob, RetryOptions
from stepiq.store.states import BulkItemStatus
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.transactions import Read, Tx

router = new_router("Bulk jobs")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]


@router.post(
    "/bulk-jobs",
    status_code=202,
    responses=problems(PipelineNotFound, TooManyBulkJobs, ScopeMissing),
)
async def create_bulk_job(
    caller: Executor, tx: Tx, body: schemas.BulkRequest
) -> schemas.BulkJobView:
    """Cancel or retry many runs, by id or by filter. A worker changes one run after the other."""
    runs = body.run_ids or ()
    if body.filter is not None:
        # The answer counts the runs that match.
        require_scope(caller, Scope.PIPELINES_READ)
        runs = body.filter.filter(await id_of(tx, caller, body.filter.pipeline_id))
    # A reset of the password cancels the jobs of sessions that it ends.
    await current_rights.require_session(tx, caller)
    job = await service.create(
        tx,
        caller,
        body.action,
        runs,
        name=body.name,
        retry=RetryOptions(body.from_, body.version == "latest"),
    )
    return _view(job)


@router.get("/bulk-jobs", responses=problems(ScopeMissing))
async def list_bulk_jobs(caller: Reader, read: Read, page: PageQuery) -> Page[schemas.BulkJobView]:
    """Bulk jobs of the workspace, newest first."""
    statement = queries.page_statement(caller.workspace_id, before=page.before, limit=page.fetch)
    return page.page(await queries.page(read, statement), _view, lambda job: job.id)


@router.get("/bulk-jobs/{job_id}", responses=problems(BulkJobNotFound, ScopeMissing))
async def get_bulk_job(caller: Reader, read: Read, job_id: UUID) -> schemas.BulkJobView:
    """A bulk job with its progress."""
    return _view(await service.get(read, caller, job_id))


@router.get("/bulk-jobs/{job_id}/items", responses=problems(BulkJobNotFound, ScopeMissing))
async def list_items(
    caller: Reader,
    read: Read,
    page: PageQuery,
    job_id: UUID,
    status: Annotated[BulkItemStatus | None, Query(description="Items with this status.")] = None,
) -> Page[schemas.BulkItemView]:
    """The runs of a bulk job in the order of execution, with their results."""
    await service.get(read, caller, job_id)
    after = 0 if page.before is None else min(page.before.int, service.MAX_RUNS)
    statement = queries.items_statement(job_id, status, after=after, limit=page.fetch)
    found = await queries.items(read, statement)
    return page.page(
        found, schemas.BulkItemView.model_validate, lambda item: UUID(int=item.position)
    )


@router.post(
    "/bulk-jobs/{job_id}/cancel",
    responses=problems(BulkJobNotFound, BulkJobAlreadyFinished, ScopeMissing),
)
async def cancel_bulk_job(caller: Executor, tx: Tx, job_id: UUID) -> schemas.BulkJobView:
    """Stop a bulk job. Runs that it has not reached do not change."""
    return _view(await service.cancel(tx, caller, job_id))


def _view(job: BulkJob) -> schemas.BulkJobView:
    names = schemas.BulkJobView.model_fields
    shown: dict[str, Any] = {name: getattr(job, name) for name in names if hasattr(job, name)}
    shown["created_by"] = job.user_id
    return schemas.BulkJobView(**shown)
