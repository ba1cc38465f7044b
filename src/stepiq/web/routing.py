"""Finds the route of a request. A route matches only if the path's parameters have the types of the route.

Otherwise, `/pipelines/validate` would also match the route of a pipeline, with the id `validate`.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match
from starlette.types import Scope

from stepiq.core import ids
from stepiq.core.errors import Issue
from stepiq.core.ids import is_slug
from stepiq.web import requests
from stepiq.web.errors import InvalidQuery, MethodNotAllowed

PIPELINE = "pipeline_id"
"""The parameter of paths that takes a slug instead of the id."""


def refuse_shadowed(request: Request) -> None:
    """Refuse a method if only a route with other parameter types supports it, and another route matches the path.

    Raises:
        MethodNotAllowed: lists the methods of the other route.
    """
    if not _fits(request.scope["route"].dependant, request.path_params) and (
        error := wrong_method(request)
    ):
        raise error


def wrong_method(request: Request) -> MethodNotAllowed | None:
    """The error for a path that does not support the method of the request; None if no route has the path."""
    allowed = methods_at(request)
    if not allowed:
        return None
    *others, last = allowed
    wanted = f"{', '.join(others)} or {last}" if others else last
    message = f"This path does not support {requests.method_of(request.scope)[:20]}. Use {wanted}."
    return MethodNotAllowed(message, allowed=", ".join(allowed))


def methods_at(request: Request) -> list[str]:
    """The methods of all routes that match a request's path. The framework only returns those of the first."""
    path = requests.path_of(request.scope)
    methods: set[str] = set()
    # The framework would prepare the routes of all routers.
    routers = [
        each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE
    ]
    for route in iter_route_contexts(routers):
        found = route.path_regex.match(path)
        if found is not None and _fits(route.dependant, found.groupdict()):
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def _fits(dependant: Dependant, parameters: Mapping[str, Any]) -> bool:
    return all(
        (field.alias == PIPELINE and is_slug(parameters[field.alias]))
        or not field.validate(parameters[field.alias], {}, loc=())[1]
        for field in dependant.path_params
    )


PREFIX = "/api"
"""The path of the API, with which its routers are included."""


class ApiRouter(APIRouter):
    """A router that skips requests whose first path segment none of its routes has.

    FastAPI prepares the routes of a router before it first compares a request with them, which takes milliseconds for
    each. Without this class, the first request would wait until all routes of the API are prepared, and each request
    would be compared with the routes of all routers that come before its own.
    """

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        """The first segments of the paths of its routes."""
        found: set[str] = set()
        for route in self.routes:
            if not isinstance(route, APIRoute) or route.path.startswith("/{"):
                raise ValueError("Each route must have a path that begins with a constant segment.")
            found.add(route.path.split("/")[1])
        return frozenset(found)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Part of FastAPI's interface to its routers."""
        path = requests.path_of(scope).removeprefix(PREFIX)
        if path[1:].partition("/")[0] not in self._beginnings:
            return Match.NONE, {}
        return super().matches(scope)


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
    if ids.looks_like_id(pipeline_id):
        return UUID(pipeline_id)
    found: UUID | None = request.scope.get(FILTERED)
    if found is None:
        message = "The workspace has no pipeline with this slug. Write its id or its slug."
        raise InvalidQuery([Issue(PIPELINE, "pipeline_missing", message)])
    return found


PipelineFilter = Annotated[UUID | None, Depends(_filtered)]
"""The id of the pipeline whose id or slug a request filters by. Declare it after the caller, whose scopes are checked first."""
