"""docs/reference/routes.md: every route, and who may call it."""

from stepiq.accounts.actor import Scope
from stepiq.server.app import create_app
from stepiq.server.routes import Access, Route, routes_of
from stepiq.server.ui import pages as ui

_OPENING = """# Routes

Every path under `/api/…` is also available under `/v1/api/…`. A login, as an access token or a [session
cookie](../api.md#the-session-cookie), can use every route. An API key needs the *scope* in the row. A member needs at
least the [role](../teams.md), also with a personal API key; service keys have scopes only.
Routes with ↻ accept an [`Idempotency-Key`](../api.md#idempotency). The *operation* is the `operationId` in the OpenAPI
document. It does not change.
"""


def page() -> str:
    """The page."""
    routes = [route for route in routes_of(create_app()) if route.path not in ui.PATHS]
    head = ["route", "operation", "description", "scope", "role"]
    lines = [_row(head), "|---|---|---|---|---|"]
    lines += [_row(_cells(route)) for route in routes]
    return f"{_OPENING}\n" + "\n".join(lines) + "\n"


def _cells(route: Route) -> list[str]:
    name = f"`{route.method} {route.path}`"
    operation = f"`{route.operation_id}`" if route.operation_id else ""
    if route.takes_key:
        operation += " ↻"
    return [name, operation, route.summary, _scopes(route.access), _role(route.access)]


def _role(access: Access) -> str:
    if access.is_public:
        return ""
    if access.is_for_administrators:
        return "administrator of the server"
    return f"{access.role} or assigned" if access.is_for_assignees else str(access.role)


def _scopes(access: Access) -> str:
    if access.is_public:
        return "public"
    if access.is_for_people:
        return "login only"
    scopes = ", ".join(f"`{scope}`" for scope in Scope if scope in access.scopes)
    return f"{scopes} (API keys only)" if access.is_for_keys else scopes or "any key"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
