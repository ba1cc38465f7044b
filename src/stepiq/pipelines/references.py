"""Finds the pipeline of a path or a filter by its slug. Endpoints always get the id.

`server.app` adds `resolve_slug` to every router that requires a credential, so new routes take slugs, too.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Request
from pydantic import Field

from stepiq.accounts.actor import Actor
from stepiq.accounts.http import Caller
from stepiq.core.ids import looks_like_id
from stepiq.pipelines import slugs
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.store.database import Session
from stepiq.web import requests
from stepiq.web.routing import FILTERED, MAX_REFERENCE, PIPELINE
from stepiq.web.services import SERVICES

_REFERENCE = "stepiq.pipeline_reference"


async def resolve_slug(request: Request, caller: Caller) -> None:
    """Replace the slug in the path of a request by the id of the caller's pipeline, and find that of a filter.

    An id costs nothing here. A slug costs a search of a unique index, before the endpoint opens its transaction: a
    request never holds two connections. An unknown slug is refused where the framework refuses a malformed id, after
    the scopes of the caller have been checked. A caller without them does not learn which slugs exist.

    Can be called again, for another caller than the one of `authenticated`.
    """
    filtered = request.query_params.get(PIPELINE, "")
    if slugs.is_slug(filtered):
        request.scope[FILTERED] = await _find(request, caller, filtered)
    given = request.path_params.get(PIPELINE)
    reference: str | None = request.scope.setdefault(_REFERENCE, given)
    if reference is None or looks_like_id(reference):
        return
    requests.refuse_path(request.scope, PipelineNotFound(reference))
    found = await _find(request, caller, reference) if slugs.is_slug(reference) else None
    request.path_params[PIPELINE] = reference if found is None else str(found)


async def _find(request: Request, caller: Actor, slug: str) -> UUID | None:
    async with SERVICES.get(request.app).database.reading() as read:
        return await slugs.find(read, caller.workspace_id, slug)


async def id_of(session: Session, caller: Actor, reference: str | None) -> UUID | None:
    """The id for the id or slug that a body names; None if it names none.

    Raises:
        PipelineNotFound: the workspace has no pipeline with this slug. Ids are not looked up.
    """
    if reference is None:
        return None
    if looks_like_id(reference):
        return UUID(reference)
    is_slug = slugs.is_slug(reference)
    found = await slugs.find(session, caller.workspace_id, reference) if is_slug else None
    if found is None:
        raise PipelineNotFound(reference)
    return found


Reference = Annotated[str, Field(max_length=MAX_REFERENCE)]
"""The id or slug of a pipeline in a body."""
