"""Routes of pipelines and their versions."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.errors import CredentialInvalid, EmailUnverified, ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing.errors import (
    PlanCronDisabled,
    PlanPipelinesExceeded,
    PlanStepsExceeded,
    PlanWebhooksDisabled,
)
from stepiq.core import clock
from stepiq.execution.definitions import VersionNotFound
from stepiq.execution.limits.quotas import (
    PlanBytesExceeded,
    PlanSchedulesExceeded,
    PlanVersionsExceeded,
)
from stepiq.language import offload
from stepiq.language.definitions.loading import Loaded, load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines import pausing, queries, recorded, schemas, service, statistics
from stepiq.pipelines.definitions import checking, diffs
from stepiq.pipelines.definitions.request import DraftBody
from stepiq.pipelines.drafts import service as drafts
from stepiq.pipelines.errors import (
    DefinitionInvalid,
    DefinitionMalformed,
    PipelineArchived,
    PipelineNotFound,
    SlugTaken,
    StaleVersion,
    VersionInUse,
)
from stepiq.pipelines.protocols import Watcher
from stepiq.pipelines.records import Management, Pipeline, PipelineStats, Version
from stepiq.store.states import FIRST_DRAFT_VERSION, PipelineStatus
from stepiq.web.bodies import YAML_TYPES, WantsYaml
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep
from stepiq.web.transactions import Read, RepeatableTx, Tx, UnlimitedTx

router = new_router("Pipelines")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Writer = Annotated[Actor, needs(Scope.PIPELINES_WRITE)]
_ALSO_READS = needs(Scope.PIPELINES_READ)
"""For routes of writers that return a definition which the caller did not send."""
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the version.")]
IfMatch = Annotated[
    str | None,
    Header(
        description='Version to replace, such as `"v3"`. If there is a newer one, the response is 412.'
    ),
]

_YAML = {YAML_TYPES[0]: {"schema": {"type": "string"}}}
_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/PipelineBody"},
                        {"type": "object", "description": "The definition alone."},
                    ]
                }
            },
            **_YAML,
        },
    }
}
_TAGGED: dict[str, Any] = {"headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}
_SAVING = (
    DefinitionMalformed,
    DefinitionInvalid,
    PlanStepsExceeded,
    PlanWebhooksDisabled,
    PlanCronDisabled,
    PlanVersionsExceeded,
    PlanBytesExceeded,
    PlanSchedulesExceeded,
    EmailUnverified,
    CredentialInvalid,
    SlugTaken,
    ScopeMissing,
)


WATCHER = AppKey[Watcher]("watcher")


async def _rules(services: ServicesDep, request: Request) -> service.Rules:
    return service.Rules(
        services.plans,
        services.providers,
        services.changes,
        WATCHER.get(request.app),
        services.settings.verifies_addresses,
    )


RulesDep = Annotated[service.Rules, Depends(_rules)]


@router.get("/pipelines", responses=problems(ScopeMissing))
async def list_pipelines(
    caller: Reader,
    read: Read,
    page: PageQuery,
    status: Annotated[
        PipelineStatus | None, Query(description="Default: active and paused pipelines.")
    ] = None,
    tag: Annotated[
        schemas.WantedTag | None, Query(description="Only pipelines with this tag.")
    ] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="A part of the name or slug.")
    ] = None,
    include: Annotated[
        Literal["stats"] | None, Query(description="`stats`: runs and cost of the last seven days.")
    ] = None,
    include_definition: Annotated[
        bool, Query(description="If false, `definition` is null.")
    ] = True,
) -> Page[schemas.ListedPipelineView]:
    """Pipelines of the workspace, newest first. Use `status=archived` for archived ones."""
    statement = queries.page_statement(
        caller.workspace_id,
        status=status,
        tag=tag,
        q=q,
        before=page.before,
        limit=page.limit,
        with_definition=include_definition,
    )
    if include_definition:
        page = page.fitting(await queries.sizes(read, statement))
    rows = await queries.page(read, statement.limit(page.fetch))
    stats: dict[UUID, PipelineStats] = {}
    if include is not None:
        listed = [row.id for row in rows[: page.limit]]
        stats = await statistics.of_pipelines(read, caller.workspace_id, listed, clock.now().date())

    def show(row: Pipeline) -> schemas.ListedPipelineView:
        shown = dict(schemas.PipelineFields.model_validate(row))
        added = {"definition": row.definition, "stats": stats.get(row.id)}
        return schemas.ListedPipelineView.model_validate({**shown, **added})

    return page.page(rows, show, lambda row: row.id)


@router.post(
    "/pipelines",
    status_code=201,
    responses={201: _TAGGED, **problems(*_SAVING, PlanPipelinesExceeded)},
    openapi_extra=_BODIES,
)
async def create_pipeline(
    caller: Writer, draft: DraftBody, rules: RulesDep, tx: UnlimitedTx, response: Response
) -> schemas.SavedPipelineView:
    """Create a pipeline from JSON or YAML. YAML is stored unchanged, with its comments."""
    saved = await service.create(tx, caller, draft, rules)
    await recorded.created(tx, caller, saved.pipeline)
    return _saved(saved, response)


@router.post(
    "/pipelines/validate",
    responses=problems(DefinitionMalformed, ScopeMissing),
    openapi_extra=_BODIES,
    response_model_exclude_none=True,
)
async def validate_pipeline(
    caller: Reader, draft: DraftBody, services: ServicesDep, read: Read
) -> schemas.ValidationView:
    """Validate a definition without saving it. The limits of the plan are not checked."""
    stored = await service.stored_secrets(read, caller, draft, services.providers)
    findings = checking.check(draft, services.providers, stored)
    return schemas.ValidationView(
        valid=not findings.errors,
        errors=[schemas.IssueView.model_validate(issue) for issue in findings.errors],
        warnings=[schemas.IssueView.model_validate(issue) for issue in findings.warnings],
    )


@router.get(
    "/pipelines/{pipeline_id}",
    response_model=schemas.PipelineView,
    responses={200: _TAGGED | {"content": _YAML}, **problems(PipelineNotFound, ScopeMissing)},
)
async def get_pipeline(
    caller: Reader,
    services: ServicesDep,
    pipeline_id: UUID,
    wants_yaml: WantsYaml,
    response: Response,
) -> schemas.PipelineView | Response:
    """An active or archived pipeline. With `Accept: application/yaml`, the text of its newest version."""
    version = None
    async with services.database.reading() as read:
        pipeline = await service.get(read, caller, pipeline_id)
        if wants_yaml:
            version = await service.version(read, caller, pipeline_id, pipeline.version)
    response.headers["ETag"] = service.etag(pipeline.version)
    response.headers["Vary"] = "Accept"
    if version is not None:
        return await _yaml(version, response)
    return schemas.PipelineView.model_validate(pipeline)


@router.put(
    "/pipelines/{pipeline_id}",
    responses={
        200: _TAGGED,
        **problems(
            *_SAVING, PipelineNotFound, PipelineArchived, StaleVersion, PlanPipelinesExceeded
        ),
    },
    openapi_extra=_BODIES,
)
async def update_pipeline(
    caller: Writer,
    draft: DraftBody,
    rules: RulesDep,
    tx: Tx,
    pipeline_id: UUID,
    response: Response,
    if_match: IfMatch = None,
    draft_revision: Annotated[
        UUID | None,
        Query(
            description="Your draft in this state is deleted. Default: the draft with this text."
        ),
    ] = None,
) -> schemas.SavedPipelineView:
    """Save a new version, which new runs use. Earlier versions remain.

    If `POST /api/drafts` has reserved the id, this creates the pipeline, with version 1 and status 201.
    """
    if await drafts.reserves(tx, caller, pipeline_id):
        saved = await service.create_reserved(
            tx, caller, pipeline_id, draft, rules, if_match=if_match
        )
        await recorded.created(tx, caller, saved.pipeline)
        response.status_code = 201
    else:
        before = await recorded.before(tx, caller, pipeline_id)
        saved = await service.save(tx, caller, pipeline_id, draft, rules, if_match=if_match)
        await recorded.updated(tx, caller, before, saved.pipeline)
    await drafts.saved(tx, caller, pipeline_id, draft.text, draft_revision)
    view = _saved(saved, response)
    return view if Scope.PIPELINES_READ in caller.scopes else view.as_sent(draft.tags)


@router.patch(
    "/pipelines/{pipeline_id}",
    dependencies=[_ALSO_READS],
    responses=problems(PipelineNotFound, PipelineArchived, ScopeMissing),
)
async def update_pipeline_metadata(
    caller: Writer, tx: Tx, pipeline_id: UUID, body: schemas.PipelinePatch
) -> schemas.PipelineView:
    """Change name, description, tags or the manager without a new version."""
    management = None
    if "managed_by" in body.model_fields_set:
        management = Management(body.managed_by, body.source)
    before = await recorded.before(tx, caller, pipeline_id)
    pipeline = await service.patch(
        tx,
        caller,
        pipeline_id,
        name=body.name,
        description=body.description,
        tags=body.tags,
        management=management,
    )
    await recorded.updated(tx, caller, before, pipeline)
    return schemas.PipelineView.model_validate(pipeline)


@router.delete("/pipelines/{pipeline_id}", responses=problems(PipelineNotFound, ScopeMissing))
async def archive_pipeline(
    caller: Writer, rules: RulesDep, tx: Tx, pipeline_id: UUID
) -> schemas.ArchivedView:
    """Archive a pipeline, which ends its pause. It can no longer be triggered; its runs and versions remain readable."""
    before = await recorded.before(tx, caller, pipeline_id)
    pipeline = await service.archive(tx, caller, pipeline_id, rules)
    await recorded.status_changed(tx, caller, Action.PIPELINE_ARCHIVED, before, pipeline)
    return schemas.ArchivedView(id=pipeline.id, status=pipeline.status)


@router.post(
    "/pipelines/{pipeline_id}/restore",
    dependencies=[_ALSO_READS],
    responses=problems(
        PipelineNotFound, PlanPipelinesExceeded, PlanSchedulesExceeded, ScopeMissing
    ),
)
async def restore_pipeline(
    caller: Writer, tx: RepeatableTx, pipeline_id: UUID, rules: RulesDep
) -> schemas.PipelineView:
    """Restore an archived pipeline."""
    before = await recorded.before(tx, caller, pipeline_id)
    pipeline = await service.restore(tx, caller, pipeline_id, rules)
    await recorded.status_changed(tx, caller, Action.PIPELINE_RESTORED, before, pipeline)
    return schemas.PipelineView.model_validate(pipeline)


@router.post(
    "/pipelines/{pipeline_id}/pause",
    dependencies=[_ALSO_READS],
    responses=problems(PipelineNotFound, PipelineArchived, ScopeMissing),
)
async def pause_pipeline(
    caller: Writer,
    tx: RepeatableTx,
    pipeline_id: UUID,
    rules: RulesDep,
    body: schemas.PauseRequest | None = None,
) -> schemas.PipelineView:
    """Pause a pipeline: until it is resumed, no new runs can start. Unfinished runs continue."""
    reason = None if body is None else body.reason
    before, pipeline = await pausing.pause(tx, caller, pipeline_id, rules, reason=reason)
    await recorded.pause_changed(tx, caller, Action.PIPELINE_PAUSED, before, pipeline)
    return schemas.PipelineView.model_validate(pipeline)


@router.post(
    "/pipelines/{pipeline_id}/resume",
    dependencies=[_ALSO_READS],
    responses=problems(PipelineNotFound, PipelineArchived, ScopeMissing),
)
async def resume_pipeline(
    caller: Writer, tx: RepeatableTx, pipeline_id: UUID, rules: RulesDep
) -> schemas.PipelineView:
    """Resume a paused pipeline. Schedules with `catch_up: last` start one run for the ticks during the pause."""
    before = await recorded.before(tx, caller, pipeline_id)
    pipeline = await pausing.resume(tx, caller, pipeline_id, rules)
    await recorded.pause_changed(tx, caller, Action.PIPELINE_RESUMED, before, pipeline)
    return schemas.PipelineView.model_validate(pipeline)


@router.get("/pipelines/{pipeline_id}/versions", responses=problems(PipelineNotFound, ScopeMissing))
async def list_versions(
    caller: Reader, read: Read, page: PageQuery, pipeline_id: UUID
) -> Page[schemas.ListedVersionView]:
    """Versions of a pipeline, newest first, without their definitions."""
    await service.get(read, caller, pipeline_id)
    statement = queries.versions_statement(
        caller.workspace_id,
        pipeline_id,
        before=None if page.before is None else min(page.before.int, FIRST_DRAFT_VERSION),
        limit=page.fetch,
    )
    rows = await queries.versions(read, statement)
    return page.page(
        rows, schemas.ListedVersionView.model_validate, lambda row: UUID(int=row.version)
    )


@router.get(
    "/pipelines/{pipeline_id}/versions/{number}",
    response_model=schemas.VersionView,
    responses={200: _TAGGED | {"content": _YAML}, **problems(VersionNotFound, ScopeMissing)},
)
async def get_version(
    caller: Reader,
    services: ServicesDep,
    pipeline_id: UUID,
    number: Number,
    wants_yaml: WantsYaml,
    response: Response,
) -> schemas.VersionView | Response:
    """One version with its definition. With `Accept: application/yaml`, its text."""
    async with services.database.reading() as read:
        version = await service.version(read, caller, pipeline_id, number)
    response.headers["ETag"] = service.etag(number)
    response.headers["Vary"] = "Accept"
    if wants_yaml:
        return await _yaml(version, response)
    return schemas.VersionView.model_validate(version)


@router.delete(
    "/pipelines/{pipeline_id}/versions/{number}",
    responses=problems(PipelineNotFound, VersionNotFound, VersionInUse, ScopeMissing),
)
async def delete_version(
    caller: Writer, tx: Tx, pipeline_id: UUID, number: Number
) -> schemas.DeletedVersionView:
    """Delete a version that is not the newest one and has no runs. It no longer counts for the plan's quotas."""
    await service.delete_version(tx, caller, pipeline_id, number)
    await recorded.version_deleted(tx, caller, pipeline_id, number)
    return schemas.DeletedVersionView(id=pipeline_id, version=number)


@router.get(
    "/pipelines/{pipeline_id}/versions/{number}/diff/{other}",
    responses=problems(VersionNotFound, ScopeMissing),
    response_model_exclude_unset=True,
)
async def diff_versions(
    caller: Reader,
    services: ServicesDep,
    pipeline_id: UUID,
    number: Number,
    other: Annotated[
        int, Path(ge=1, le=2**31 - 1, description="Number of the version to compare with.")
    ],
) -> schemas.DiffView:
    """The differences between two versions, as text and field by field."""
    async with services.database.reading() as read:
        before = await service.version(read, caller, pipeline_id, number)
        after = await service.version(read, caller, pipeline_id, other)
    return await offload.compute_long(_diff, before, after)


def _diff(before: Version, after: Version) -> schemas.DiffView:
    names = (f"v{before.version}.yaml", f"v{after.version}.yaml")
    texts = service.text_as_yaml(before), service.text_as_yaml(after)
    found = diffs.changes(before.definition, after.definition)
    return schemas.DiffView(
        before=before.version,
        after=after.version,
        text=diffs.unified(*texts, names),
        changes=[schemas.ChangeView.model_validate(change.sides()) for change in found],
    )


async def _earlier(
    services: ServicesDep, caller: Writer, pipeline_id: UUID, number: Number
) -> Loaded | None:
    """Read the version to restore before the transaction begins. Returns None if it does not exist."""
    try:
        async with services.database.reading() as session:
            found = await service.version(session, caller, pipeline_id, number)
    except VersionNotFound:
        return None
    return await offload.compute(load, found.text, found.source_format)


@router.post(
    "/pipelines/{pipeline_id}/versions/{number}/restore",
    dependencies=[_ALSO_READS],
    responses={
        200: _TAGGED,
        **problems(*_SAVING, VersionNotFound, PipelineArchived, StaleVersion),
    },
)
async def restore_version(
    caller: Writer,
    rules: RulesDep,
    loaded: Annotated[Loaded | None, Depends(_earlier)],
    tx: Tx,
    pipeline_id: UUID,
    number: Number,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.SavedPipelineView:
    """Save an earlier version as the newest one. The versions in between remain."""
    before = await recorded.before(tx, caller, pipeline_id)
    saved = await service.restore_version(
        tx, caller, pipeline_id, number, rules, loaded=loaded, if_match=if_match
    )
    await recorded.updated(tx, caller, before, saved.pipeline, restored_version=number)
    return _saved(saved, response)


def _saved(saved: service.Saved, response: Response) -> schemas.SavedPipelineView:
    response.headers["ETag"] = service.etag(saved.pipeline.version)
    shown = schemas.PipelineView.model_validate(saved.pipeline)
    warnings = [schemas.IssueView.model_validate(issue) for issue in saved.warnings]
    return schemas.SavedPipelineView(**dict(shown), warnings=warnings)


async def _yaml(version: Version, response: Response) -> Response:
    is_rendered = version.source_format is not SourceFormat.YAML
    text = (
        await offload.compute_long(service.text_as_yaml, version) if is_rendered else version.text
    )
    headers = {name: response.headers[name] for name in ("ETag", "Vary")}
    return Response(text.encode(), media_type=YAML_TYPES[0], headers=headers)
