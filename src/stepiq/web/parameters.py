"""Parameters of the query string: a name that no route knows is a slip, and is told."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from stepiq.core.errors import Issue
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
        InvalidQuery: with an issue for each.
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
    shown = name[:100]
    close = difflib.get_close_matches(shown, known, n=1)
    if close:
        advice = f"Did you mean `{close[0]}`?"
    elif known:
        advice = f"Known are {', '.join(f'`{each}`' for each in known)}."
    else:
        advice = "This route has none."
    return Issue(shown, "unknown_parameter", f"This parameter is unknown. {advice}")
