"""Routes of bulk jobs."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field, model_validator

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs, require_scope
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.pipelines.references import Reference, id_of
from stepiq.pipelines.schemas import WantedTag
from stepiq.runs.bulk import queries, service
from stepiq.runs.bulk.records import BulkJob, RetryOptions
from stepiq.runs.bulk.service import BulkJobAlreadyFinished, BulkJobNotFound, TooManyBulkJobs
from stepiq.runs.records import Filter
from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus, RunStatus, TriggerType
from stepiq.web.bodies import FROM_TEXT, Instant, JsonInteger, StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.transactions import Read, Tx

_Id = Annotated[UUID, FROM_TEXT]
MAX_LISTED = 5_000
"""Maximum number of ids in a request. It must fit into a body of 256 KiB."""


class RunFilter(StrictModel):
    """Runs by the filters of `GET /api/runs`. Without any, all runs."""

    pipeline_id: Reference | None = None
    """Id or slug of a pipeline."""
    version: Annotated[JsonInteger, Field(ge=1, le=2**31 - 1)] | None = None
    """A version of `pipeline_id`."""
    status: list[Annotated[RunStatus, FROM_TEXT]] = Field(default_factory=list[RunStatus])
    trigger_type: Annotated[TriggerType, FROM_TEXT] | None = None
    tag: WantedTag | None = None
    error_code: Annotated[str, Field(max_length=100)] | None = None
    with_failures: bool = False
    caller_id: _Id | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    q: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _needs_pipeline(self) -> "RunFilter":
        if self.version is not None and self.pipeline_id is None:
            raise ValueError("`version` needs `pipeline_id`")
        return self

    def filter(self, pipeline_id: UUID | None) -> Filter:
        """The filter as queries use it, with the id of its pipeline."""
        return Filter(
            pipeline_id=pipeline_id,
            statuses=frozenset(self.status),
            trigger_type=self.trigger_type,
            created_after=self.created_after,
            created_before=self.created_before,
            q=self.q or None,
            version=self.version,
            tag=self.tag,
            error_code=self.error_code,
            with_failures=self.with_failures,
            caller_id=self.caller_id,
        )


class BulkRequest(StrictModel):
    """The runs of a job, by id or by filter, and what to do with them."""

    action: Annotated[BulkAction, FROM_TEXT]
    """`cancel` selects unfinished runs of the filter, `retry` those that have ended."""
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Default: a description of the action."""
    run_ids: Annotated[list[_Id], Field(min_length=1, max_length=MAX_LISTED)] | None = None
    filter: RunFilter | None = None
    """The newest 10,000 runs that match."""
    from_: Annotated[str, Field(alias="from", min_length=1, max_length=64)] = "start"
    """Where retries start: `start`, `failed`, or a step id."""
    version: Literal["same", "latest"] = "same"
    """The version of the pipeline for retries."""

    @model_validator(mode="after")
    def _one_selection(self) -> "BulkRequest":
        if (self.run_ids is None) == (self.filter is None):
            raise ValueError("Send either `run_ids` or `filter`")
        return self


class BulkFailureView(View):
    """The failed items of a job with the same code."""

    code: str
    count: int


class BulkJobView(View):
    """A job that cancels or retries many runs."""

    id: UUID
    name: str
    action: BulkAction
    status: BulkStatus
    """`completed` if all items have been tried."""
    total: int
    done: int
    failed: int
    has_more: bool
    """Whether more runs matched than the job has."""
    failures: list[BulkFailureView]
    """The codes of the failed items. Empty in lists."""
    created_by: UUID
    """The user."""
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None


class BulkItemView(View):
    """One run of a job."""

    run_id: UUID
    status: BulkItemStatus
    code: str | None
    """The code of the error, if it failed."""
    message: str | None
    new_run_id: UUID | None
    """The run that retries it."""


router = new_router("Bulk jobs")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]


@router.post(
    "/bulk-jobs",
    status_code=202,
    responses=problems(PipelineNotFound, TooManyBulkJobs, ScopeMissing),
)
async def create_bulk_job(caller: Executor, tx: Tx, body: BulkRequest) -> BulkJobView:
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
async def list_bulk_jobs(caller: Reader, read: Read, page: PageQuery) -> Page[BulkJobView]:
    """Bulk jobs of the workspace, newest first."""
    statement = queries.page_statement(caller.workspace_id, before=page.before, limit=page.fetch)
    return page.page(await queries.page(read, statement), _view, lambda job: job.id)


@router.get("/bulk-jobs/{job_id}", responses=problems(BulkJobNotFound, ScopeMissing))
async def get_bulk_job(caller: Reader, read: Read, job_id: UUID) -> BulkJobView:
    """A bulk job with its progress."""
    return _view(await service.get(read, caller, job_id))


@router.get("/bulk-jobs/{job_id}/items", responses=problems(BulkJobNotFound, ScopeMissing))
async def list_items(
    caller: Reader,
    read: Read,
    page: PageQuery,
    job_id: UUID,
    status: Annotated[BulkItemStatus | None, Query(description="Items with this status.")] = None,
) -> Page[BulkItemView]:
    """The runs of a bulk job with their results."""
    await service.get(read, caller, job_id)
    after = 0 if page.before is None else min(page.before.int, service.MAX_RUNS)
    statement = queries.items_statement(job_id, status, after=after, limit=page.fetch)
    found = await queries.items(read, statement)
    return page.page(found, BulkItemView.model_validate, lambda item: UUID(int=item.position))


@router.post(
    "/bulk-jobs/{job_id}/cancel",
    responses=problems(BulkJobNotFound, BulkJobAlreadyFinished, ScopeMissing),
)
async def cancel_bulk_job(caller: Executor, tx: Tx, job_id: UUID) -> BulkJobView:
    """Stop a bulk job. Runs that it has not reached do not change."""
    return _view(await service.cancel(tx, caller, job_id))


def _view(job: BulkJob) -> BulkJobView:
    names = BulkJobView.model_fields
    shown: dict[str, Any] = {name: getattr(job, name) for name in names if hasattr(job, name)}
    shown["created_by"] = job.user_id
    return BulkJobView(**shown)
