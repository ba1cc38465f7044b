"""Routes of a pipeline's own secrets, which take precedence over the workspace's."""

from uuid import UUID

from fastapi import Response

from stepiq.accounts.actor import Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.secrets import queries, schemas
from stepiq.accounts.secrets import service as secrets
from stepiq.accounts.secrets.endpoints import SecretPath, Writer, given_hosts, show
from stepiq.accounts.secrets.service import SecretNotFound, TooManySecrets
from stepiq.pipelines import service
from stepiq.pipelines.endpoints import Reader
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read, Tx

router = new_router("Secrets")


@router.get("/pipelines/{pipeline_id}/secrets", responses=problems(PipelineNotFound, ScopeMissing))
async def list_secrets_for_pipeline(
    caller: Reader, read: Read, page: PageQuery, pipeline_id: UUID
) -> Page[schemas.SecretView]:
    """Names, hosts and dates of the pipeline's own secrets."""
    await service.get(read, caller, pipeline_id)
    rows = await queries.page(
        read, caller.workspace_id, pipeline_id, before=page.before, limit=page.fetch
    )
    return page.page(rows, schemas.SecretView.model_validate, lambda row: row.id)


@router.post(
    "/pipelines/{pipeline_id}/secrets",
    status_code=201,
    responses={
        200: {
            "description": "The secret existed and has a new value.",
            "model": schemas.StoredSecret,
        },
        **problems(PipelineNotFound, ScopeMissing, TooManySecrets),
    },
)
async def set_secret_for_pipeline(
    caller: Writer,
    services: ServicesDep,
    tx: Tx,
    pipeline_id: UUID,
    body: schemas.NewSecret,
    response: Response,
) -> schemas.StoredSecret:
    """Store a secret for this pipeline only, or replace its value (200). It takes precedence over the workspace's secret."""
    await service.get(tx, caller, pipeline_id)
    stored = await secrets.store(
        tx,
        caller,
        services.keyring,
        pipeline_id=pipeline_id,
        name=body.name,
        value=body.value,
        hosts=given_hosts(body),
    )
    return show(stored, response, may_list=Scope.PIPELINES_READ in caller.scopes)


@router.delete(
    "/pipelines/{pipeline_id}/secrets/{secret}",
    responses=problems(PipelineNotFound, ScopeMissing, SecretNotFound),
)
async def delete_secret_for_pipeline(
    caller: Writer, tx: Tx, pipeline_id: UUID, secret: SecretPath
) -> schemas.DeletedSecret:
    """Delete a secret of the pipeline, by its id or its name."""
    await service.get(tx, caller, pipeline_id)
    found = await secrets.delete(tx, caller, pipeline_id=pipeline_id, secret=secret)
    return schemas.DeletedSecret(id=found)
