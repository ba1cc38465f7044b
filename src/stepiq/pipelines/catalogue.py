"""Routes of the model catalogue."""

from typing import Annotated

from fastapi import Path

from stepiq.accounts.actor import Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.pipelines import schemas
from stepiq.pipelines.errors import ModelNotFound
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep

router = new_router("Models")

_READER = [needs(Scope.PIPELINES_READ)]


@router.get("/models", dependencies=_READER, responses=problems(ScopeMissing))
async def list_models(services: ServicesDep) -> Page[schemas.ModelView]:
    """Every model known by name, provider after provider, in one page."""
    found = services.providers.models()
    return Page(data=[schemas.ModelView.model_validate(model) for model in found], next_cursor=None)


# Stands before the route below, whose path would match it.
@router.get("/models/providers", dependencies=_READER, responses=problems(ScopeMissing))
async def list_providers(services: ServicesDep) -> Page[schemas.ProviderView]:
    """Every provider, whether it can be used here, and if not what to set."""
    found = services.providers.describe()
    return Page(
        data=[schemas.ProviderView.model_validate(each) for each in found], next_cursor=None
    )


@router.get(
    "/models/{model_id:path}",
    dependencies=_READER,
    responses=problems(ModelNotFound, ScopeMissing),
)
async def get_model(
    services: ServicesDep,
    model_id: Annotated[str, Path(description="`gpt-4o` or `provider/model`.")],
) -> schemas.ModelView:
    """One model, also one that is not listed if its provider is known."""
    found = services.providers.model(model_id)
    if found is None:
        raise ModelNotFound(model_id[:200])
    return schemas.ModelView.model_validate(found)
