"""Routes of drafts."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import MemberNeeds
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import PlanDraftsExceeded
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.drafts import queries, service
from stepiq.pipelines.drafts.service import DraftChanged, DraftNotFound
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.web.bodies import FROM_TEXT, JsonInteger, StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

MAX_TEXT = 256 * 1024
"""Most characters of a draft. A request has the same limit in bytes."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Format = Annotated[SourceFormat, FROM_TEXT]


class NewDraft(StrictModel):
    """The text of a new pipeline."""

    text: Text = ""
    format: Format = SourceFormat.YAML


class DraftText(StrictModel):
    """The text to keep. It need not be valid."""

    text: Text
    format: Format = SourceFormat.YAML
    base_version: Annotated[JsonInteger, Field(ge=1, le=2**31 - 1)] | None = None
    """The version that is edited. Null for a new pipeline."""
    revision: Annotated[UUID | None, FROM_TEXT] = None
    """`revision` of the draft that you have read or written last. Null: you know of none."""


class OtherDraftView(View):
    """A draft of another member for the same pipeline."""

    user_id: UUID
    name: str
    base_version: int | None
    updated_at: Timestamp


class OtherDraftsView(View):
    """Drafts of other members for one pipeline."""

    data: list[OtherDraftView]
    """At most 10."""


class DraftSummaryView(View):
    """A draft without its text."""

    pipeline_id: UUID
    """Of a new pipeline: the id that the pipeline will get."""
    name: str | None
    """Name of the pipeline. If it is new: the name in the text."""
    format: SourceFormat
    base_version: int | None
    """The version that is edited."""
    current_version: int | None
    """The newest version. Null if the pipeline is new."""
    is_new: bool
    """Whether the pipeline was never saved."""
    revision: UUID
    """Identifies this state of the draft. Each change makes another one."""
    created_at: Timestamp
    updated_at: Timestamp


class DraftView(DraftSummaryView):
    """An unsaved text of the caller."""

    text: str
    others: list[OtherDraftView]
    """Drafts of other members for the same pipeline, at most 10."""


class DeletedDraftView(View):
    """The deleted draft."""

    pipeline_id: UUID
    deleted: Literal[True] = True


router = new_router("Drafts")

Reader = Annotated[Actor, Depends(MemberNeeds(Scope.PIPELINES_READ))]
Writer = Annotated[Actor, Depends(MemberNeeds(Scope.PIPELINES_WRITE))]
_ALSO_READS = Depends(MemberNeeds(Scope.PIPELINES_READ))
"""For routes of writers that return what the caller did not send."""


def _plan(services: Services, caller: Actor) -> Plan:
    return services.plans.get(caller.plan)


@router.get("/drafts", responses=problems(ScopeMissing))
async def list_drafts(caller: Reader, read: Read, page: PageQuery) -> Page[DraftSummaryView]:
    """Your drafts, the last changed first, without their texts."""
    rows = await queries.page(
        read, caller.workspace_id, caller.user_id, before=page.before, limit=page.fetch
    )
    return page.page(rows, DraftSummaryView.model_validate, lambda row: row.revision)


@router.post("/drafts", status_code=201, responses=problems(ScopeMissing, PlanDraftsExceeded))
async def create_draft(caller: Writer, services: ServicesDep, tx: Tx, body: NewDraft) -> DraftView:
    """Keep the text of a new pipeline. `pipeline_id` is the id that the pipeline gets when it is saved.

    Save it with `PUT /api/pipelines/ID`.
    """
    draft = await service.create(tx, caller, _plan(services, caller), body.text, body.format)
    return DraftView.model_validate(draft)


@router.get("/pipelines/{pipeline_id}/draft", responses=problems(DraftNotFound, ScopeMissing))
async def get_draft(caller: Reader, read: Read, pipeline_id: UUID) -> DraftView:
    """Your draft of a pipeline."""
    return DraftView.model_validate(await service.get(read, caller, pipeline_id))


@router.get(
    "/pipelines/{pipeline_id}/draft/others", responses=problems(PipelineNotFound, ScopeMissing)
)
async def list_other_drafts(caller: Reader, read: Read, pipeline_id: UUID) -> OtherDraftsView:
    """Which other members have a draft of a pipeline. You need no draft of your own."""
    others = await service.others(read, caller, pipeline_id)
    return OtherDraftsView(data=[OtherDraftView.model_validate(each) for each in others])


@router.put(
    "/pipelines/{pipeline_id}/draft",
    dependencies=[_ALSO_READS],
    responses=problems(PipelineNotFound, DraftChanged, PlanDraftsExceeded, ScopeMissing),
)
async def update_draft(
    caller: Writer, services: ServicesDep, tx: Tx, pipeline_id: UUID, body: DraftText
) -> DraftView:
    """Keep the text that you edit, valid or not. It is not a version, and runs do not use it."""
    draft = await service.write(
        tx,
        caller,
        _plan(services, caller),
        pipeline_id,
        text=body.text,
        source_format=body.format,
        base_version=body.base_version,
        revision=body.revision,
    )
    return DraftView.model_validate(draft)


@router.delete(
    "/pipelines/{pipeline_id}/draft",
    dependencies=[_ALSO_READS],
    responses=problems(DraftNotFound, DraftChanged, ScopeMissing),
)
async def delete_draft(
    caller: Writer,
    tx: Tx,
    pipeline_id: UUID,
    revision: Annotated[
        UUID | None, Query(description="Delete the draft only in this state.")
    ] = None,
) -> DeletedDraftView:
    """Delete your draft of a pipeline."""
    await service.delete(tx, caller, pipeline_id, revision)
    return DeletedDraftView(pipeline_id=pipeline_id)
