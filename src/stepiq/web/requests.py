"""What is known about the request being answered, kept in its ASGI scope."""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from uuid import UUID

from stepiq.core.errors import StepIQError

_ID = "stepiq.request_id"
_FACTS = "stepiq.facts"
_HEADERS = "stepiq.headers"
_WORKSPACE = "stepiq.workspace_id"
_SCOPES = "stepiq.scopes"
_IS_HEAD = "stepiq.is_head"
_REFUSAL = "stepiq.refusal"


def open_scope(scope: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """A copy of an ASGI scope with the request's id, and room for facts for its log line.

    HEAD is routed as GET. `method_of` returns what was sent.
    """
    is_head = scope["method"] == "HEAD"
    method = "GET" if is_head else scope["method"]
    return {
        **scope, "method": method, _ID: request_id, _FACTS: {}, _HEADERS: {}, _IS_HEAD: is_head,
    }  # fmt: skip


def refuse(scope: MutableMapping[str, Any], error: StepIQError) -> None:
    """Have the guard refuse this request."""
    scope[_REFUSAL] = error


def refusal_of(scope: Mapping[str, Any]) -> StepIQError | None:
    """Why the guard must refuse this request, if it must."""
    return scope.get(_REFUSAL)


def is_head(scope: Mapping[str, Any]) -> bool:
    """Whether the headers of the response are all that the caller wants."""
    return bool(scope.get(_IS_HEAD))


def method_of(scope: Mapping[str, Any]) -> str:
    """The method that was sent."""
    return "HEAD" if is_head(scope) else str(scope["method"])


def id_of(scope: Mapping[str, Any]) -> str:
    """The id of a request; `-` outside of the guard."""
    return str(scope.get(_ID, "-"))


def route_of(scope: Mapping[str, Any]) -> str | None:
    """The template of the route that answers, such as `/api/runs/{run_id}`; None if there is none."""
    # The framework's own `route` of an included router lacks the prefix.
    whole = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return None if whole is None else str(whole.path)


def note(scope: Mapping[str, Any], **facts: object) -> None:
    """Add facts to the one log line of this request; never a credential."""
    noted: MutableMapping[str, Any] | None = scope.get(_FACTS)
    if noted is not None:
        noted.update(facts)


def noted(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The facts noted so far."""
    return dict(scope.get(_FACTS) or {})


def add_headers(scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Send these with the answer, whatever it will be."""
    added: MutableMapping[str, str] | None = scope.get(_HEADERS)
    if added is not None:
        added.update(headers)


def added_headers(scope: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Every header added so far."""
    headers: Mapping[str, str] = scope.get(_HEADERS) or {}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def set_caller(scope: MutableMapping[str, Any], workspace_id: UUID, scopes: Iterable[str]) -> None:
    """Say whose request this is and what the caller may do, once that is known."""
    scope[_WORKSPACE] = workspace_id
    scope[_SCOPES] = frozenset(scopes)
    note(scope, workspace_id=str(workspace_id))


def scopes_of(scope: Mapping[str, Any]) -> frozenset[str]:
    """What the caller may do; nothing while no credential has been checked."""
    return scope.get(_SCOPES, frozenset())


def workspace_of(scope: Mapping[str, Any]) -> UUID | None:
    """Whose request this is; None while no credential has been checked."""
    return scope.get(_WORKSPACE)
