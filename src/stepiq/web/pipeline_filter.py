"""The query parameter of lists that filters by the id or the slug of a pipeline."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from stepiq.core import slugs
from stepiq.core.errors import Issue
from stepiq.web.errors import InvalidQuery
from stepiq.web.routing import PIPELINE

FILTERED = "stepiq.filtered_pipeline"
"""The pipeline whose slug a request filters by, as `pipelines.references` found it; None if there is none."""
MAX_REFERENCE = 200
"""Characters of an id or slug."""


async def _filtered(
    request: Request,
    pipeline_id: Annotated[
        str | None, Query(max_length=MAX_REFERENCE, description="Id or slug of a pipeline.")
    ] = None,
) -> UUID | None:
    if pipeline_id is None:
        return None
    if slugs.looks_like_id(pipeline_id):
        return UUID(pipeline_id)
    found: UUID | None = request.scope.get(FILTERED)
    if found is None:
        message = "The workspace has no pipeline with this slug. Write its id or its slug."
        raise InvalidQuery([Issue(PIPELINE, "pipeline_missing", message)])
    return found


PipelineFilter = Annotated[UUID | None, Depends(_filtered)]
"""The id of the pipeline whose id or slug a request filters by. Declare it after the caller, whose scopes are checked first."""
