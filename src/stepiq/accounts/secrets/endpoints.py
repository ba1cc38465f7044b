"""Routes of the workspace's secrets. `pipelines.secrets` has those of one pipeline."""

from typing import Annotated, Any

from fastapi import Path, Response

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.accounts.secrets import queries, schemas, service
from stepiq.accounts.secrets.service import SecretNotFound, TooManySecrets
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.routing import PipelineFilter
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read, Tx

router = new_router("Secrets")

_MOST_SHOWN = 20

Writer = Annotated[Actor, needs(Scope.SECRETS_WRITE)]
SecretPath = Annotated[str, Path(max_length=100, description="Id or name of the secret.")]


@router.get("/user/secrets", responses=problems(ScopeMissing))
async def list_secrets(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)],
    read: Read,
    page: PageQuery,
) -> Page[schemas.ListedSecretView]:
    """Names, hosts, dates and uses of the workspace's secrets. No route returns a value."""
    rows = await queries.page(read, caller.workspace_id, None, before=page.before, limit=page.fetch)
    found = await service.uses(read, caller)
    return page.page(rows, lambda row: _listed(row, found), lambda row: row.id)


@router.get("/user/missing-secrets", responses=problems(ScopeMissing))
async def list_missing_secrets(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)],
    read: Read,
    pipeline_id: PipelineFilter,
) -> Page[schemas.MissingSecretView]:
    """Secrets that active pipelines use and that are not stored.

    `pipeline_id` returns only those that this pipeline uses.
    """
    found = await service.uses(read, caller)
    missing = [
        schemas.MissingSecretView(name=name, **_used_by(pipelines))
        for name, pipelines in sorted(found.missing.items())
        if pipeline_id is None or any(each.id == pipeline_id for each in pipelines)
    ]
    return Page(data=missing, next_cursor=None)


def _listed(row: Any, found: service.SecretUse) -> schemas.ListedSecretView:
    shown = schemas.SecretView.model_validate(row).model_dump()
    return schemas.ListedSecretView(**shown, **_used_by(found.stored.get(row.name, [])))


def _used_by(pipelines: list[service.UsingPipeline]) -> dict[str, Any]:
    shown = [schemas.UsingPipelineView.model_validate(each) for each in pipelines[:_MOST_SHOWN]]
    return {"used_by": shown, "used_by_count": len(pipelines)}


@router.post(
    "/user/secrets",
    status_code=201,
    responses={
        200: {
            "description": "An existing secret got a new value.",
            "model": schemas.StoredSecret,
        },
        **problems(ScopeMissing, TooManySecrets),
    },
)
async def set_secret(
    caller: Writer, services: ServicesDep, tx: Tx, body: schemas.NewSecret, response: Response
) -> schemas.StoredSecret:
    """Store an encrypted secret for all pipelines. If the name exists, its value is replaced (200).

    Templates use it as `env.NAME`. A secret of the pipeline with the same name takes precedence.
    """
    stored = await service.store(
        tx,
        caller,
        services.keyring,
        pipeline_id=None,
        name=body.name,
        value=body.value,
        hosts=given_hosts(body),
    )
    return show(stored, response, may_list=Scope.ACCOUNT_READ in caller.scopes)


@router.delete("/user/secrets/{secret}", responses=problems(ScopeMissing, SecretNotFound))
async def delete_secret(caller: Writer, tx: Tx, secret: SecretPath) -> schemas.DeletedSecret:
    """Delete a secret of the workspace, by its id or its name."""
    found = await service.delete(tx, caller, pipeline_id=None, secret=secret)
    return schemas.DeletedSecret(id=found)


def given_hosts(body: schemas.NewSecret) -> list[str] | service.Unchanged | None:
    """The list in a request; without the field, the list stays as it is."""
    return body.hosts if "hosts" in body.model_fields_set else service.UNCHANGED


def show(stored: service.Stored, response: Response, *, may_list: bool) -> schemas.StoredSecret:
    """The answer to storing: 201 for a new secret, 200 for a new value. `may_list`: whether the caller can list secrets."""
    response.status_code = 201 if stored.is_new else 200
    shown = schemas.SecretView.model_validate(stored.row).model_dump()
    view = schemas.StoredSecret(**shown, warning=stored.warning)
    return view if may_list else view.model_copy(update={"hosts": None, "last_used_at": None})
