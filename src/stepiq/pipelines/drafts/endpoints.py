"""Routes of drafts."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import MemberNeeds
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import PlanDraftsExceeded
from stepiq.pipelines.drafts import queries, schemas, service
from stepiq.pipelines.drafts.errors import DraftChanged, DraftNotFound
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

router = new_router("Drafts")

Reader = Annotated[Actor, Depends(MemberNeeds(Scope.PIPELINES_READ))]
Writer = Annotated[Actor, Depends(MemberNeeds(Scope.PIPELINES_WRITE))]
_ALSO_READS = Depends(MemberNeeds(Scope.PIPELINES_READ))
"""For routes of writers that return what the caller did not send."""


def _plan(services: Services, caller: Actor) -> Plan:
    return services.plans.get(caller.plan)


@router.get("/drafts", responses=problems(ScopeMissing))
async def list_drafts(
    caller: Reader, read: Read, page: PageQuery
) -> Page[schemas.DraftSummaryView]:
    """Your drafts, the last changed first, without their texts."""
    rows = await queries.page(
        read, caller.workspace_id, caller.user_id, before=page.before, limit=page.fetch
    )
    return page.page(rows, schemas.DraftSummaryView.model_validate, lambda row: row.revision)


@router.post("/drafts", status_code=201, responses=problems(ScopeMissing, PlanDraftsExceeded))
async def create_draft(
    caller: Writer, services: ServicesDep, tx: Tx, body: schemas.NewDraft
) -> schemas.DraftView:
    """Keep the text of a new pipeline. `pipeline_id` is the id that the pipeline gets when it is saved.

    Save it with `PUT /api/pipelines/ID`.
    """
    draft = await service.create(tx, caller, _plan(services, caller), body.text, body.format)
    return schemas.DraftView.model_validate(draft)


@router.get("/pipelines/{pipeline_id}/draft", responses=problems(DraftNotFound, ScopeMissing))
async def get_draft(caller: Reader, read: Read, pipeline_id: UUID) -> schemas.DraftView:
    """Your draft of a pipeline."""
    return schemas.DraftView.model_validate(await service.get(read, caller, pipeline_id))


@router.get(
    "/pipelines/{pipeline_id}/draft/others", responses=problems(PipelineNotFound, ScopeMissing)
)
async def list_other_drafts(
    caller: Reader, read: Read, pipeline_id: UUID
) -> schemas.OtherDraftsView:
    """Which other members have a draft of a pipeline, without the texts. You need no draft of your own."""
    others = await service.others(read, caller, pipeline_id)
    return schemas.OtherDraftsView(
        data=[schemas.OtherDraftView.model_validate(each) for each in others]
    )


@router.put(
    "/pipelines/{pipeline_id}/draft",
    dependencies=[_ALSO_READS],
    responses=problems(PipelineNotFound, DraftChanged, PlanDraftsExceeded, ScopeMissing),
)
async def update_draft(
    caller: Writer, services: ServicesDep, tx: Tx, pipeline_id: UUID, body: schemas.DraftText
) -> schemas.DraftView:
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
    return schemas.DraftView.model_validate(draft)


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
) -> schemas.DeletedDraftView:
    """Delete your draft of a pipeline."""
    await service.delete(tx, caller, pipeline_id, revision)
    return schemas.DeletedDraftView(pipeline_id=pipeline_id)
