"""Refuses unknown parameters of the query string."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from stepiq.core.errors import Issue
from stepiq.core.validation import unknown
from stepiq.web.errors import InvalidQuery

_MOST = 20
_OPEN = "stepiq_takes_any_query"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def takes_any_query(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose callers cannot choose their query string, such as senders of webhooks."""
    setattr(endpoint, _OPEN, True)
    return endpoint


def refuse_unknown(request: Request) -> None:
    """Refuse parameters that the route of this request does not have.

    Raises:
        InvalidQuery: has an issue for each of the first 20.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or getattr(route.endpoint, _OPEN, False):
        return
    known = sorted(set(_names(route.dependant)))
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if unknown:
        raise InvalidQuery([_issue(name, known) for name in unknown[:_MOST]])


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from _names(inner)


def _issue(name: str, known: list[str]) -> Issue:
    message = (
        unknown("parameter", name, known)
        if known
        else "No parameters are accepted here. Remove it."
    )
    return Issue(name[:100], "unknown_parameter", message)
