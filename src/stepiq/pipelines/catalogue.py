"""Routes of the model catalogue."""

from typing import Annotated

from fastapi import Depends, Path

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.accounts.secrets import service as secrets
from stepiq.pipelines import schemas
from stepiq.pipelines.errors import ModelNotFound
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read

router = new_router("Models")


async def _own_keys(
    caller: Annotated[Actor, needs(Scope.PIPELINES_READ)], services: ServicesDep, read: Read
) -> frozenset[str]:
    """Names of the provider keys that the account has stored as secrets."""
    return await secrets.stored_names(read, caller.workspace_id, services.providers.key_names)


OwnKeys = Annotated[frozenset[str], Depends(_own_keys)]


@router.get("/models", responses=problems(ScopeMissing))
async def list_models(services: ServicesDep, own: OwnKeys) -> Page[schemas.ModelView]:
    """All models known by name, grouped by provider."""
    found = services.providers.models(own)
    return Page(data=[schemas.ModelView.model_validate(model) for model in found], next_cursor=None)


# Must come before the route below, whose path also matches.
@router.get("/models/providers", responses=problems(ScopeMissing))
async def list_providers(services: ServicesDep, own: OwnKeys) -> Page[schemas.ProviderView]:
    """All providers, and what to set to use them."""
    found = services.providers.describe(own)
    return Page(
        data=[schemas.ProviderView.model_validate(each) for each in found], next_cursor=None
    )


@router.get(
    "/models/{model_id:path}",
    responses=problems(ModelNotFound, ScopeMissing),
)
async def get_model(
    services: ServicesDep,
    own: OwnKeys,
    model_id: Annotated[str, Path(description="`gpt-4o` or `provider/model`.")],
) -> schemas.ModelView:
    """One model. It need not be listed if its provider is known."""
    found = services.providers.model(model_id, own)
    if found is None:
        raise ModelNotFound(model_id[:200], services.providers.nearest(model_id))
    return schemas.ModelView.model_validate(found)
