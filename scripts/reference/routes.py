"""docs/reference/routes.md: every route, and who may call it."""

from stepiq.accounts.actor import Scope
from stepiq.server.app import create_app
from stepiq.server.routes import Access, Route, routes_of
from stepiq.server.ui import pages as ui

_OPENING = """# Routes

Every path under `/api/…` is also available under `/v1/api/…`. The access token of a login, or its [session
cookie](../api.md#the-session-cookie), can use every route. An API key needs the scope that is marked in the route's
row. Routes marked *login only* do not accept API keys. A member needs at least the [role](../teams.md) in the row, also
with a personal API key; service keys have scopes only. The pages of the web interface are not listed.
Routes with ↻ accept an [`Idempotency-Key`](../api.md#idempotency). The *operation* is the route's `operationId` in the
OpenAPI document. It does not change.
"""


def page() -> str:
    """The page."""
    routes = [route for route in routes_of(create_app()) if route.path not in ui.PATHS]
    scopes = list(Scope)
    head = [
        "route",
        "",
        "operation",
        "description",
        *(f"`{scope}`" for scope in scopes),
        "role",
        "access",
    ]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row(_cells(route, scopes)) for route in routes]
    return f"{_OPENING}\n" + "\n".join(lines) + "\n"


def _cells(route: Route, scopes: list[Scope]) -> list[str]:
    marks = ["✓" if scope in route.access.scopes else "" for scope in scopes]
    name = f"`{route.method} {route.path}`"
    key = "↻" if route.takes_key else ""
    operation = f"`{route.operation_id}`" if route.operation_id else ""
    return [name, key, operation, route.summary, *marks, _role(route.access), _else(route.access)]


def _role(access: Access) -> str:
    if access.is_public:
        return ""
    if access.is_for_administrators:
        return "administrator of the server"
    return f"{access.role} or assigned" if access.is_for_assignees else str(access.role)


def _else(access: Access) -> str:
    if access.is_public:
        return "public"
    if access.is_for_people:
        return "login only"
    return "API keys only" if access.is_for_keys else ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
