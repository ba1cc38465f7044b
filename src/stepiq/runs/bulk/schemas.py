"""Shapes of bulk jobs in the API."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from stepiq.pipelines.references import Reference
from stepiq.pipelines.schemas import WantedTag
from stepiq.runs.records import Filter
from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus, RunStatus, TriggerType
from stepiq.web.bodies import FROM_TEXT, Instant, JsonInteger, StrictModel, Timestamp, View

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
