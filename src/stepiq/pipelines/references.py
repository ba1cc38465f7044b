"""Finds the pipeline of a path or a filter by its slug. Endpoints always get the id.

`server.app` adds `resolve_slug` to every router that requires a credential, so new routes take slugs, too.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from stepiq.accounts.actor import Actor
from stepiq.accounts.http import Caller
from stepiq.core import slugs
from stepiq.core.errors import Issue
from stepiq.pipelines import slug_queries as queries
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.web import requests
from stepiq.web.errors import InvalidQuery
from stepiq.web.paths import PIPELINE
from stepiq.web.services import Services, ServicesDep

_REFERENCE = "stepiq.pipeline_reference"
_FILTERED = "stepiq.filtered_pipeline"
"""The pipeline whose slug a request filters by; None if there is none."""


async def resolve_slug(request: Request, caller: Caller, services: ServicesDep) -> None:
    """Replace the slug in the path of a request by the id of the caller's pipeline, and find that of a filter.

    An id costs nothing here. A slug costs a search of a unique index, before the endpoint opens its transaction: a
    request never holds two connections. An unknown slug is refused where the framework refuses a malformed id, after
    the scopes of the caller have been checked. A caller without them does not learn which slugs exist.

    Can be called again, for another caller than the one of `authenticated`.
    """
    filtered = request.query_params.get(PIPELINE, "")
    if slugs.is_slug(filtered):
        request.scope[_FILTERED] = await _find(services, caller, filtered)
    given = request.path_params.get(PIPELINE)
    reference: str | None = request.scope.setdefault(_REFERENCE, given)
    if reference is None or slugs.looks_like_id(reference):
        return
    requests.refuse_path(request.scope, PipelineNotFound(reference))
    found = await _find(services, caller, reference) if slugs.is_slug(reference) else None
    request.path_params[PIPELINE] = reference if found is None else str(found)


async def _find(services: Services, caller: Actor, slug: str) -> UUID | None:
    async with services.database.reading() as read:
        return await queries.find(read, caller.workspace_id, slug)


async def _filtered(
    request: Request,
    pipeline_id: Annotated[
        str | None, Query(max_length=200, description="Id or slug of a pipeline.")
    ] = None,
) -> UUID | None:
    if pipeline_id is None:
        return None
    if slugs.looks_like_id(pipeline_id):
        return UUID(pipeline_id)
    found: UUID | None = request.scope.get(_FILTERED)
    if found is None:
        message = "The workspace has no pipeline with this slug. Write its id or its slug."
        raise InvalidQuery([Issue(PIPELINE, "pipeline_missing", message)])
    return found


PipelineFilter = Annotated[UUID | None, Depends(_filtered)]
"""The id of the pipeline whose id or slug a request filters by. Declare it after the caller, whose scopes are checked first."""
