"""Properties derived from the routes of an app: required credentials, `Idempotency-Key`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from stepiq.accounts.actor import Scope, role_with
from stepiq.accounts.http import (
    Assignable,
    MemberNeeds,
    NeedsRole,
    Scoped,
    administrator,
    authenticated,
    person,
)
from stepiq.store.states import Role
from stepiq.web.requests import dependencies
from stepiq.web.transactions import REPLAYS, TAKES_KEYS

_PEOPLE: frozenset[Callable[..., Any]] = frozenset({person})


@dataclass(frozen=True, slots=True)
class Access:
    """The credentials that a route requires."""

    is_public: bool = False
    """No credential. The other fields are then irrelevant."""
    is_for_people: bool = False
    """A session. API keys are refused."""
    scopes: tuple[Scope, ...] = ()
    """The scopes that an API key needs."""
    is_for_keys: bool = False
    """An API key. Sessions are refused."""
    role: Role = Role.VIEWER
    """The lowest role of a member that the route accepts."""
    is_for_assignees: bool = False
    """Also members with a lower role, if they are assigned."""
    is_for_members: bool = False
    """Not service keys: what the route reads or changes belongs to a person."""
    is_for_administrators: bool = False
    """Administrators of the server only. Their role in a workspace is irrelevant."""

    @property
    def is_declared(self) -> bool:
        """Whether the route declares its credentials. A route that declares none accepts every credential."""
        return self.is_public or self.is_for_people or bool(self.scopes)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    summary: str
    """The first sentence of its description."""
    operation_id: str | None
    """Its id in the OpenAPI document. None if the document does not contain it."""
    access: Access
    takes_key: bool
    """Whether it supports `Idempotency-Key`."""
    replays: bool
    """Whether it sends the response to an earlier request with the key again."""


def routes_of(app: FastAPI) -> list[Route]:
    """Every route of an app, sorted by path and method."""
    return sorted(_each_route(app), key=lambda route: (route.path, route.method))


def _each_route(app: FastAPI) -> Iterator[Route]:
    for context in iter_route_contexts(app.routes):
        dependant: Dependant = context.dependant
        calls = frozenset(dependencies(dependant))
        for method in context.methods or ():
            yield Route(
                method=method,
                path=str(context.path_format or context.path),
                summary=_summary(context.endpoint),
                operation_id=context.unique_id if context.include_in_schema else None,
                access=_access(calls),
                takes_key=method == "POST" and not calls.isdisjoint(TAKES_KEYS),
                replays=method == "POST" and not calls.isdisjoint(REPLAYS),
            )


def _access(calls: frozenset[Any]) -> Access:
    if authenticated not in calls:
        return Access(is_public=True)
    scoped = [call for call in calls if isinstance(call, Scoped)]
    roles = [call.role for call in calls if isinstance(call, NeedsRole)]
    roles += [role_with(call.scope) for call in scoped]
    return Access(
        is_for_people=not calls.isdisjoint(_PEOPLE),
        scopes=tuple(sorted({call.scope for call in scoped})),
        is_for_keys=any(call.is_key_only for call in scoped),
        role=max(roles, key=list(Role).index, default=Role.VIEWER),
        is_for_assignees=any(isinstance(call, Assignable) for call in scoped),
        is_for_members=any(isinstance(call, MemberNeeds) for call in scoped),
        is_for_administrators=administrator in calls,
    )


def _summary(endpoint: Any) -> str:
    text = " ".join((endpoint.__doc__ or "").partition("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".")
