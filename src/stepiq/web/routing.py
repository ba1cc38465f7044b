"""Finds the routes of a path. A route matches only if the path's parameters have the types of the route.

Otherwise, `/pipelines/validate` would also match the route of a pipeline, with the id `validate`.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import Match

from stepiq.core.slugs import is_slug
from stepiq.web import requests
from stepiq.web.errors import MethodNotAllowed

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
