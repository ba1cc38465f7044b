"""Every route, for every role and kind of key, in the caller's own workspace and in a foreign one."""

import re
from typing import Any

import pytest

from stepiq.accounts.actor import SCOPES_OF_ROLE, Scope, includes, with_included
from stepiq.core import ids
from stepiq.server.app import create_app
from stepiq.server.routes import Route, routes_of
from stepiq.store.states import Role
from tests.support.clients import login, login_key, login_service_key, outcome
from tests.support.containers import ROOT

pytestmark = pytest.mark.one_store

__all__ = ["login", "login_key", "login_service_key"]

ENDLESS = {"/api/runs/stream"}
"""Streams that do not end. They have their own tests."""
LEAVING = {
    ("POST", "/api/auth/logout"),
    ("DELETE", "/api/session"),
    ("DELETE", "/api/user/api-keys/current"),
    ("POST", "/api/workspace/leave"),
}
"""Routes after which the credential no longer works."""
REFUSALS = {
    "admin_required",
    "api_key_required",
    "member_required",
    "no_workspace",
    "role_missing",
    "scope_missing",
    "session_required",
    "workspace_not_found",
}
"""The codes of a caller that may not use the route. Other codes are about what the caller asked for."""

APP = create_app()
ROUTES = sorted(
    (
        route
        for route in routes_of(APP)
        if route.path.startswith("/api/")
        and route.operation_id is not None
        and not route.access.is_public
        and route.path not in ENDLESS
    ),
    # The routes that end the credential come last.
    key=lambda route: (route.method, route.path) in LEAVING,
)


def request_to(route: Route) -> dict[str, Any]:
    """A valid request to a route, with the examples of the OpenAPI document and unknown ids."""
    operation = APP.openapi()["paths"][route.path][route.method.lower()]
    url = re.sub(r"{[^}]*_id}", str(ids.uuid7()), route.path)
    url = re.sub(r"{(number|other)}", "1", url)
    request: dict[str, Any] = {"method": route.method, "url": re.sub(r"{\w+}", "NAME", url)}
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        example = next(iter(content["application/json"]["examples"].values()))
        request["json"] = _resolved(example)["value"]
    return request


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    return APP.openapi()["components"][kind][name]


def refusal_of_member(route: Route, role: Role) -> str | None:
    """Why a session with a role must be refused; None if it must not."""
    access = route.access
    if access.is_for_administrators:
        return "admin_required"
    if access.is_for_keys:
        return "api_key_required"
    if access.is_for_assignees or includes(role, access.role):
        return None
    return "role_missing"


def refusal_of_key(route: Route, scopes: frozenset[Scope], role: Role | None) -> str | None:
    """Why a key must be refused; None if it must not."""
    access = route.access
    if access.is_for_people:
        return "session_required"
    if role is None and access.is_for_members:
        return "member_required"
    if with_included(scopes).issuperset(access.scopes):
        return None
    return "scope_missing" if role is None or includes(role, access.role) else "role_missing"


async def asked(client, route, **options) -> tuple[int, str | None]:
    response = await client.request(**request_to(route), **options)
    return outcome(response) if response.is_error else (response.status_code, None)


def wrong(route: Route, found: tuple[int, str | None], expected: str | None) -> str | None:
    status, code = found
    is_refused = status in (401, 429) or code in REFUSALS
    is_right = status < 500 and (code == expected if expected else not is_refused)
    return None if is_right else f"{route.method} {route.path}: {status} {code}, not {expected}"


def documented() -> dict[str, str]:
    """The column `role` of the table of the documentation, by route."""
    text = (ROOT / "docs" / "reference" / "routes.md").read_text("utf-8")
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return {row[0].strip("`| "): row[header.index("role")] for row in rows}


def roles_of(cell: str) -> set[Role]:
    """The roles with which a member can use a route, as the documentation says it."""
    if cell == "administrator of the server":
        return set()
    lowest, _, others = cell.partition(" or ")
    return {role for role in Role if others or includes(role, Role(lowest))}


@pytest.mark.parametrize("role", list(Role))
class TestMembers:
    async def test_each_route_answers_as_documented(self, role, login, make, account):
        someone = await make.member(account, role)
        client, faults = await login(someone), []

        for route in ROUTES:
            if (route.method, route.path) in LEAVING:
                client = await login(someone)
            found = await asked(client, route)
            faults.append(wrong(route, found, refusal_of_member(route, role)))

        assert [*filter(None, faults)] == []

    async def test_a_foreign_workspace_is_not_found(self, role, login, make, account, stranger):
        client = await login(await make.member(account, role))
        headers = {"X-Workspace": str(stranger.workspace_id)}

        answers = {await asked(client, route, headers=headers) for route in ROUTES}

        assert answers == {(404, "workspace_not_found")}

    async def test_a_personal_key_can_do_what_scopes_and_role_allow(
        self, role, login_key, make, account
    ):
        someone = await make.member(account, role)
        client, faults = await login_key(someone), []

        for route in ROUTES:
            if (route.method, route.path) in LEAVING:
                client = await login_key(someone)
            found = await asked(client, route)
            faults.append(wrong(route, found, refusal_of_key(route, SCOPES_OF_ROLE[role], role)))

        assert [*filter(None, faults)] == []


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_service_key_can_do_what_its_scopes_allow(scope, login_service_key, make, account):
    client = await login_service_key(await make.service_key(account, scopes=[scope]))

    faults = [
        wrong(route, await asked(client, route), refusal_of_key(route, frozenset({scope}), None))
        for route in ROUTES
    ]

    assert [*filter(None, faults)] == []


def test_the_table_of_the_documentation_has_the_role_of_each_route():
    roles = documented()
    refusals = {
        route: {
            role: refusal_of_key(route, SCOPES_OF_ROLE[role], role)
            if route.access.is_for_keys
            else refusal_of_member(route, role)
            for role in Role
        }
        for route in ROUTES
    }

    for route, by_role in refusals.items():
        allowed = {role for role, refusal in by_role.items() if refusal is None}
        assert allowed == roles_of(roles[f"{route.method} {route.path}"]), route
    assert {"viewer", "operator", "editor", "admin", "operator or assigned"} <= set(roles.values())
