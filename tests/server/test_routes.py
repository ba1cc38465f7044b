import re

import pytest
from fastapi import Depends

from stepiq.accounts.actor import Scope
from stepiq.accounts.http import Caller, authenticated
from stepiq.core import ids
from stepiq.server.routes import Access, routes_of
from stepiq.store.states import Role
from stepiq.web.bodies import router as new_router
from tests.support.public_paths import PUBLIC_PATHS

pytestmark = pytest.mark.one_store

CREATING = re.compile(
    r"/(run|retry|bulk-jobs|drafts?|pipelines|api-keys|roll|service-keys|workspaces|workspace/invitations|reset|secrets"
    r"|schedules|webhooks/\{\w+\}|run-now|redeliver|test)$"
)
"""Ends of the paths of POST routes that make something."""


@pytest.fixture
def found(app):
    return {(route.method, route.path): route for route in routes_of(app)}


class TestAccess:
    def test_every_route_says_who_may_call_it(self, found):
        silent = [name for name, route in found.items() if not route.access.is_declared]

        assert silent == []

    def test_the_public_ones_are_those_listed(self, found):
        assert {route.path for route in found.values() if route.access.is_public} == PUBLIC_PATHS

    @pytest.mark.parametrize(
        ("method", "path", "access"),
        [
            ("GET", "/api/pipelines", Access(scopes=(Scope.PIPELINES_READ,))),
            ("GET", "/api/models/{model_id}", Access(scopes=(Scope.PIPELINES_READ,))),
            ("POST", "/api/user/api-keys", Access(is_for_people=True)),
            (
                "POST",
                "/api/webhooks/{pipeline_id}",
                Access(scopes=(Scope.WEBHOOKS_TRIGGER,), is_for_keys=True, role=Role.OPERATOR),
            ),
            ("GET", "/health", Access(is_public=True)),
        ],
    )
    def test_it_is_read_from_what_the_route_depends_on(self, found, method, path, access):
        assert found[method, path].access == access

    def test_a_route_that_says_nothing_is_found_out(self, app):
        router = new_router("Test")

        @router.get("/silent")
        async def silent(caller: Caller) -> None:
            """Say nothing."""

        app.include_router(router, prefix="/api", dependencies=[Depends(authenticated)])

        assert not next(r for r in routes_of(app) if r.path == "/api/silent").access.is_declared


class TestWithoutReading:
    """What a caller may not read by its own route must not be in the response to a change."""

    PROTECTED = frozenset({"definition", "input_data", "output", "source"})
    RETURNS_WHAT_WAS_SENT = frozenset(
        {
            ("POST", "/api/pipelines"),
            ("PUT", "/api/pipelines/{pipeline_id}"),
            ("POST", "/api/pipelines/{pipeline_id}/schedules"),
            # The run that the caller has started.
            ("POST", "/api/pipelines/{pipeline_id}/run"),
        }
    )

    def test_no_change_returns_a_definition_or_an_input_to_a_key_that_may_not_read(
        self, app, found
    ):
        document = app.openapi()
        schemas = document["components"]["schemas"]

        telling = {
            (method, path)
            for (method, path), route in found.items()
            if {Scope.PIPELINES_WRITE, Scope.PIPELINES_EXECUTE} & set(route.access.scopes)
            and Scope.PIPELINES_READ not in route.access.scopes
            for status, answer in document["paths"][path][method.lower()]["responses"].items()
            if status.startswith("2")
            for media in answer.get("content", {}).values()
            # With a choice of responses, a key that may not read gets the short one.
            if (reference := media["schema"].get("$ref"))
            and self.PROTECTED & set(schemas[reference.rpartition("/")[2]]["properties"])
        }

        assert telling - self.RETURNS_WHAT_WAS_SENT == set()
        assert telling >= self.RETURNS_WHAT_WAS_SENT


class TestIdempotencyKeys:
    def test_whatever_creates_something_takes_one(self, found):
        without = [
            path
            for (method, path), route in found.items()
            if method == "POST" and CREATING.search(path) and not route.takes_key
        ]

        assert without == []

    def test_only_posts_do(self, found):
        assert {route.method for route in found.values() if route.takes_key} == {"POST"}


class TestMethods:
    async def test_each_path_allows_those_of_its_own_routes(self, client, found):
        methods: dict[str, set[str]] = {}
        for method, path in found:
            methods.setdefault(path, set()).update(
                {method, "HEAD"} if method == "GET" else {method}
            )

        for path, wanted in methods.items():
            known = path.replace("{number}", "1").replace("{other}", "2")
            response = await client.request("PROPFIND", re.sub(r"\{\w+\}", str(ids.uuid7()), known))

            assert response.status_code == 405, path
            assert response.headers["Allow"] == ", ".join(sorted(wanted)), path


class TestSummary:
    def test_it_is_the_first_sentence(self, found):
        assert found["POST", "/api/pipelines/{pipeline_id}/run"].summary == "Start a run"

    def test_every_documented_route_has_one(self, found):
        assert [name for name, route in found.items() if not route.summary] == []
