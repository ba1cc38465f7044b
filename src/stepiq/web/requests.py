"""Facts about the current request, stored in its ASGI scope."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from uuid import UUID

from stepiq.core.errors import StepIQError
from stepiq.core.observability import trace_context
from stepiq.core.observability.trace_context import TraceParent

_ID = "stepiq.request_id"
_FACTS = "stepiq.facts"
_HEADERS = "stepiq.headers"
_WORKSPACE = "stepiq.workspace_id"
_SCOPES = "stepiq.scopes"
_PRINCIPAL = "stepiq.principal"
_IS_HEAD = "stepiq.is_head"
_REFUSAL = "stepiq.refusal"
_PATH_REFUSAL = "stepiq.path_refusal"
_RESET = "stepiq.reset"


_client: ContextVar[str | None] = ContextVar("client_address", default=None)
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_TRACEPARENT = trace_context.TRACEPARENT.encode()


def act_from(scope: Mapping[str, Any]) -> None:
    """Set the client address and the `traceparent` of the current task, and of the tasks it creates, to those of a request."""
    client = scope.get("client")
    _client.set(str(address_of(client[0]) or client[0]) if client else None)
    sent = [value for name, value in scope["headers"] if name == _TRACEPARENT]
    # Several headers are invalid, as an invalid one is.
    _traceparent.set(sent[0].decode("latin-1") if len(sent) == 1 else None)


def client_address() -> str | None:
    """The address of the client for which the current task acts; None outside of requests.

    Behind a proxy that the operator trusts, it is the address that the proxy forwards.
    """
    return _client.get()


def trace_parent() -> TraceParent | None:
    """The span of the client for which the current task acts; None outside of requests, and of requests without one.

    Call it in the task of the request: a task that serves several requests has the span of the one that created it.
    """
    return trace_context.parse(_traceparent.get())


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, without its zone, and as IPv4 if it is mapped to IPv6; None if the text is no address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def open_scope(scope: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """A copy of an ASGI scope with the request's id, to which facts for its log line can be added.

    HEAD is routed as GET. `method_of` returns the original method.
    """
    is_head = scope["method"] == "HEAD"
    method = "GET" if is_head else scope["method"]
    return {
        **scope, "method": method, _ID: request_id, _FACTS: {}, _HEADERS: {}, _IS_HEAD: is_head,
    }  # fmt: skip


def refuse(scope: MutableMapping[str, Any], error: StepIQError) -> None:
    """Make the guard refuse this request with `error`."""
    scope[_REFUSAL] = error


def refusal_of(scope: Mapping[str, Any]) -> StepIQError | None:
    """The error with which the guard must refuse this request, or None."""
    return scope.get(_REFUSAL)


def set_reset(scope: MutableMapping[str, Any], reset: Callable[[], None]) -> None:
    """Set the function that closes the connection of this request at once."""
    scope[_RESET] = reset


def reset(scope: Mapping[str, Any]) -> None:
    """Close the connection at once. What the client has not read is lost. Does nothing without a connection, as in tests."""
    found: Callable[[], None] | None = scope.get(_RESET)
    if found is not None:
        found()


def refuse_path(scope: MutableMapping[str, Any], error: StepIQError) -> None:
    """Answer `error` if the endpoint cannot use the id in the path of this request."""
    scope[_PATH_REFUSAL] = error


def path_refusal_of(scope: Mapping[str, Any]) -> StepIQError | None:
    """The error for an id in the path that the endpoint cannot use, or None."""
    return scope.get(_PATH_REFUSAL)


def is_head(scope: Mapping[str, Any]) -> bool:
    """Whether the request's method is HEAD, which gets only headers."""
    return bool(scope.get(_IS_HEAD))


def method_of(scope: Mapping[str, Any]) -> str:
    """The method as the caller sent it."""
    return "HEAD" if is_head(scope) else str(scope["method"])


def path_of(scope: Mapping[str, Any]) -> str:
    """The path that routes are compared with: without the version of the API, for example."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


def id_of(scope: Mapping[str, Any]) -> str:
    """The id of a request; `-` outside the guard."""
    return str(scope.get(_ID, "-"))


def route_of(scope: Mapping[str, Any]) -> str | None:
    """The template of the matched route, such as `/api/runs/{run_id}`; None if no route matched."""
    whole = _matched(scope)
    return None if whole is None else str(whole.path)


def dependencies_of(scope: Mapping[str, Any]) -> Iterator[Any]:
    """What the matched route depends on, directly or through others."""
    return dependencies(_matched(scope).dependant)


def dependencies(dependant: Any) -> Iterator[Any]:
    """The functions in FastAPI's description of a route's dependencies."""
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from dependencies(dependency)


def _matched(scope: Mapping[str, Any]) -> Any:
    # The framework's own `route` of an included router lacks the prefix.
    return scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")


def note(scope: Mapping[str, Any], **facts: object) -> None:
    """Add facts to the log line of this request. They must not contain credentials."""
    noted: MutableMapping[str, Any] | None = scope.get(_FACTS)
    if noted is not None:
        noted.update(facts)


def noted(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The facts added so far."""
    return dict(scope.get(_FACTS) or {})


def add_headers(scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Add headers to the response, whether it is a success or an error."""
    added: MutableMapping[str, str] | None = scope.get(_HEADERS)
    if added is not None:
        added.update(headers)


def added_headers(scope: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers added so far, encoded for ASGI."""
    headers: Mapping[str, str] = scope.get(_HEADERS) or {}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def set_caller(
    scope: MutableMapping[str, Any], workspace_id: UUID, scopes: Iterable[str], principal_id: UUID
) -> None:
    """Record the workspace, the scopes and the principal of the caller, after the credential has been checked."""
    scope[_WORKSPACE] = workspace_id
    scope[_SCOPES] = frozenset(scopes)
    scope[_PRINCIPAL] = principal_id
    note(scope, workspace_id=str(workspace_id))


def scopes_of(scope: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of the caller; empty before a credential has been checked."""
    return scope.get(_SCOPES, frozenset())


def principal_of(scope: Mapping[str, Any]) -> UUID:
    """What the caller acts as: a user or a workspace. Only after a credential has been checked."""
    principal_id: UUID = scope[_PRINCIPAL]
    return principal_id


def workspace_of(scope: Mapping[str, Any]) -> UUID | None:
    """The workspace of the caller; None before a credential has been checked."""
    return scope.get(_WORKSPACE)
