"""Routers of the API that requests to other resources skip."""

from functools import cached_property

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from stepiq.web import requests

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
