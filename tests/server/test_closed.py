"""No credential, no effect: on every route there is, so also on those of tomorrow."""

import re
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts

from stepiq.accounts.actor import Scope, with_included
from stepiq.accounts.credentials import api_keys as keys
from stepiq.server.routes import routes_of
from stepiq.server.ui.pages import PAGES

pytestmark = pytest.mark.one_store

PUBLIC = {
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/register"),
    ("POST", "/api/session"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/forgot-password"),
    ("POST", "/api/auth/reset-password"),
    ("POST", "/api/auth/verify-email"),
    ("POST", "/api/invitations/open"),
    ("GET", "/api/auth/providers"),
    ("GET", "/api/auth/oidc/{provider}/start"),
    ("GET", "/api/auth/oidc/{provider}/callback"),
    ("POST", "/api/auth/device"),
    ("POST", "/api/auth/device/token"),
    ("POST", "/api/reviews/open"),
    ("POST", "/api/run-links/open"),
    ("POST", "/api/recipients/confirm"),
    ("POST", "/api/recipients/refuse"),
    ("POST", "/api/reviews/decide"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/docs/errors"),
    ("GET", "/docs/steps"),
    ("GET", "/docs/search"),
    ("GET", "/docs.md"),
    ("GET", "/docs/{name:path}"),
    ("GET", "/llms.txt"),
    ("GET", "/llms-full.txt"),
    ("GET", "/openapi.json"),
    ("GET", "/api/schema/pipeline.json"),
    ("GET", "/api/schema/tests.json"),
    ("GET", "/"),
    ("GET", "/assets/{name:path}"),
    *(("GET", f"/{each}{rest}") for each in PAGES for rest in ("", "/{page:path}")),
}
"""All that answers without a credential. Think twice before adding a line."""


def routes(app):
    """Method and path of every route."""
    return {
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }


def closed_requests(app):
    """A request for every closed route, with ids that nobody has."""
    for method, path in sorted(routes(app) - PUBLIC):
        yield method, re.sub(r"\{[^}]+\}", str(uuid4()), path)


def concrete(path):
    """An address of the route, with ids that nobody has."""
    return re.sub(r"\{[^}]+\}", str(uuid4()), path)


class TestEveryRoute:
    def test_the_public_ones_are_those_listed(self, app):
        assert routes(app) >= PUBLIC
        assert len(routes(app) - PUBLIC) > 15

    @pytest.mark.parametrize("prefix", ["", "/v1"])
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer x"},
            {"Authorization": "Basic eDp4"},
            {"X-API-Key": "x"},
            {"X-API-Key": keys.generate().text},
            {"X-API-Key": ""},
            {"Cookie": "stepiq_session_8080=x"},
            {"Cookie": f"stepiq_session_8080={uuid4()}.x"},
        ],
        ids=[
            "none",
            "bad token",
            "basic",
            "bad key",
            "unknown key",
            "empty key",
            "bad cookie",
            "forged cookie",
        ],
    )
    async def test_it_refuses_whoever_shows_nothing_that_counts(self, app, client, headers, prefix):
        answers = {}
        for method, path in closed_requests(app):
            response = await client.request(method, prefix + path, headers=headers, content=b"{")
            answers[f"{method} {path}"] = (
                response.status_code,
                response.headers["Content-Type"],
                response.headers["WWW-Authenticate"],
            )

        expected = (401, "application/problem+json", 'Bearer realm="stepiq"')
        assert answers == dict.fromkeys(answers, expected)

    async def test_it_names_the_credentials_that_it_accepts(self, app, client):
        answers = {}
        for route in routes_of(app):
            if route.access.is_public:
                continue
            response = await client.request(route.method, concrete(route.path))
            detail = response.json()["detail"]
            answers[f"{route.method} {route.path}"] = (
                "`Authorization: Bearer TOKEN`" in detail,
                "`X-API-Key: sk_live_…`" in detail,
            )

        assert answers == {
            f"{route.method} {route.path}": (
                not route.access.is_for_keys,
                not route.access.is_for_people,
            )
            for route in routes_of(app)
            if not route.access.is_public
        }

    async def test_it_refuses_expired_and_revoked_credentials(
        self, app, client, make, account, clock, owner
    ):
        from datetime import timedelta

        opened = await make.session(account)
        token = app.state.doors.tokens.issue(account.id, opened.session_id)
        expired = await make.api_key(account, expires_at=clock.now() + timedelta(minutes=1))
        revoked = await make.api_key(account)
        await owner.delete(f"/api/user/api-keys/{revoked.id}")
        clock.advance(timedelta(hours=1))

        statuses = set()
        for method, path in closed_requests(app):
            for headers in (
                {"Authorization": f"Bearer {token}"},
                {"X-API-Key": expired.text},
                {"X-API-Key": revoked.text},
            ):
                response = await client.request(method, path, headers=headers)
                statuses.add(response.status_code)

        assert statuses == {401}

    async def test_a_key_without_scopes_gets_nowhere(self, app, client, make, account, database):
        import sqlalchemy as sa

        from stepiq.store.tables import api_keys

        key = await make.api_key(account)
        async with database.transaction() as session:
            await session.execute(sa.update(api_keys).values(scopes=[]))

        answers = {}
        for method, path in closed_requests(app):
            response = await client.request(
                method, path, headers={"X-API-Key": key.text}, content=b"name: x"
            )
            answers[f"{method} {path}"] = response.status_code

        assert {route for route, status in answers.items() if status < 400} == set()
        assert [s for s in answers.values() if s == 403]


class TestScopes:
    async def test_a_key_with_every_other_scope_is_refused_by_name(
        self, app, client, make, account
    ):
        answers = {}
        for route, wanted in (
            (each, scope) for each in routes_of(app) for scope in each.access.scopes
        ):
            others = {each for each in Scope if wanted not in with_included({each})}
            key = await make.api_key(account, scopes=sorted(others))
            response = await client.request(
                route.method, concrete(route.path), json={}, headers={"X-API-Key": key.text}
            )
            answers[route.method, route.path, wanted] = (
                response.status_code,
                response.json()["code"],
                wanted in response.json()["detail"],
            )

        assert len(answers) > 20
        assert set(answers.values()) == {(403, "scope_missing", True)}

    async def test_no_key_does_what_is_for_people(self, app, client, make, account):
        key = await make.api_key(account)
        answers = {}
        for route in routes_of(app):
            if route.access.is_for_people:
                response = await client.request(
                    route.method, concrete(route.path), json={}, headers={"X-API-Key": key.text}
                )
                answers[route.method, route.path] = response.status_code, response.json()["code"]

        assert len(answers) >= 2
        assert set(answers.values()) == {(403, "session_required")}


NAUGHTY = [
    "0",
    "-1",
    "99999999999999999999",
    "%00",
    "%ff%fe",
    "..%2f..%2fetc%2fpasswd",
    "'%20OR%201=1--",
    "%F0%9F%92%A9",
    "x" * 3_000,
    "00000000-0000-0000-0000-000000000000",
    "{{7*7}}",
    "%0d%0aSet-Cookie:%20a=b",
]


class TestNaughtyStrings:
    """No text in an address, a query or a header is worth a 5xx."""

    @pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
    async def test_everywhere_it_is_an_answer(self, app, owner, text):
        answers = {}
        for method, path in sorted(routes(app) - {("GET", "/ready")}):
            # No worker runs here, which /ready says with a 503 of its own.
            naughty = re.sub(r"\{[^}]+\}", text, path)
            query = f"limit={text}&cursor={text}&q={text}&status={text}&after={text}&from={text}"
            response = await owner.request(
                method,
                f"{naughty}?{query}",
                content=text.encode(),
                headers={
                    "Content-Type": "application/json",
                    "Idempotency-Key": text[:300],
                    "If-Match": text,
                    "Last-Event-ID": text,
                    "Accept": text,
                },
            )
            answers[method, path] = response.status_code

        assert {name: status for name, status in answers.items() if status >= 500} == {}


class TestForeign:
    async def test_what_nobody_has_is_not_found_on_every_route_with_an_id(
        self, app, owner, make, account
    ):
        key = await make.api_key(account)
        definition = {"name": "x", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
        bodies = {
            "PUT /api/pipelines/{pipeline_id}": definition,
            "PUT /api/pipelines/{pipeline_id}/draft": {"text": "name: x"},
            "POST /api/pipelines/{pipeline_id}/schedules": {
                "name": "x",
                "cron_expression": "0 9 * * *",
            },
            "POST /api/pipelines/{pipeline_id}/secrets": {"name": "TOKEN", "value": "x"},
            "POST /api/runs/{run_id}/reviews/{step_id}": {"decision": "approve"},
            "PATCH /api/workspace/members/{user_id}": {"role": "viewer"},
        }

        answers = {}
        for method, path in sorted(routes(app) - PUBLIC):
            # Routes of administrators refuse this caller before they look for the id.
            if "{" not in path or path.startswith("/api/admin/"):
                continue
            # Numbers of versions are not ids.
            concrete = re.sub(r"\{[^}]+\}", str(uuid4()), re.sub(r"\{version\}", "1", path))
            response = await owner.request(
                method,
                concrete,
                json=bodies.get(f"{method} {path}", {}),
                headers={"X-API-Key": key.text},
            )
            answers[f"{method} {path}"] = response.status_code

        assert {route: status for route, status in answers.items() if status != 404} == {}
        assert len(answers) > 10
