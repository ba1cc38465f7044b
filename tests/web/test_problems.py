from datetime import timedelta
from uuid import uuid4

import pytest
from starlette.exceptions import HTTPException

from stepiq.core import errors
from stepiq.core.errors import Issue
from stepiq.web import errors as web_errors
from stepiq.web.problems import problems, respond, status_of

pytestmark = pytest.mark.one_store


class Taken(errors.Conflict):
    """Somebody has it."""

    code = "taken"


class TestStatusOf:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (errors.Malformed, 400),
            (errors.Unauthenticated, 401),
            (errors.Forbidden, 403),
            (errors.NotFound, 404),
            (web_errors.MethodNotAllowed, 405),
            (web_errors.RequestTimeout, 408),
            (errors.Conflict, 409),
            (Taken, 409),
            (web_errors.PreconditionFailed, 412),
            (web_errors.BodyTooLarge, 413),
            (web_errors.UnsupportedMediaType, 415),
            (errors.Invalid, 422),
            (errors.LimitReached, 429),
            (web_errors.HeadersTooLarge, 431),
            (errors.StepIQError, 500),
            (errors.Unavailable, 503),
        ],
    )
    def test_each_kind_has_one(self, error, status):
        assert status_of(error) == status


class TestRespond:
    def test_limits_say_when_to_come_back_in_whole_seconds_rounded_up(self):
        error = errors.LimitReached("Too many.", retry_after=timedelta(seconds=1.2))

        assert respond(error, "r").headers["Retry-After"] == "2"

    def test_places_without_a_line_leave_it_out(self):
        issues = [Issue("a", "x", "Bad."), Issue("b", "y", "Worse.", line=3, column=4)]

        body = bytes(respond(errors.Invalid("Two.", issues), "r").body)

        assert b'"errors":[{"path":"a","code":"x","message":"Bad."}' in body
        assert b'"line":3,"column":4' in body

    def test_text_that_has_no_utf8_is_still_answered(self):
        assert b"?" in bytes(respond(errors.NotFound("\ud800"), "r").body)


class TestProblems:
    def test_errors_of_one_status_are_listed_together(self):
        responses = problems(Taken, errors.Conflict, errors.NotFound)

        examples = responses[409]["content"]["application/problem+json"]["examples"]
        assert list(examples) == ["taken", "conflict"]
        assert list(responses) == [409, 404]


class TestInTheApp:
    async def test_an_unknown_path_is_a_json_404(self, client):
        response = await client.get("/api/nope")

        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "unknown_path"
        assert response.json()["detail"].endswith("/docs lists all routes.")

    @pytest.mark.parametrize("path", ["/api/user/me/", "/v1/api/pipelines/", "/health/"])
    async def test_a_slash_too_many_leads_nowhere_else(self, owner, path):
        response = await owner.get(path, headers={"Host": "elsewhere.example"})

        assert response.status_code == 404
        assert response.json()["code"] == "unknown_path"
        assert response.json()["detail"].endswith("Remove the slash at the end.")

    async def test_a_wrong_method_lists_those_of_every_route_at_the_path(self, owner):
        response = await owner.patch("/api/user/api-keys", json={})

        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, HEAD, POST"
        assert (
            response.json()["detail"] == "This path does not support PATCH. Use GET, HEAD or POST."
        )

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/api/pipelines/validate", "POST"),
            ("PUT", "/v1/api/pipelines/validate", "POST"),
            ("DELETE", "/api/schedules/upcoming", "GET, HEAD"),
        ],
    )
    async def test_a_path_of_its_own_is_no_id_of_another_route(self, owner, method, path, allowed):
        response = await owner.request(method, path, content=b"no definition")

        assert response.status_code == 405
        assert response.headers["Allow"] == allowed

    @pytest.mark.parametrize("method", ["DELETE", "PUT"])
    async def test_a_malformed_id_is_unknown(self, owner, method):
        response = await owner.request(method, "/api/user/api-keys/1")

        assert response.status_code == 404

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("user/api-keys/1", "API key `1` does not exist. An id looks like 0192f0c5-"),
            ("schedules/x", "Schedule `x` does not exist. An id looks like 0192f0c5-"),
        ],
    )
    async def test_a_malformed_id_says_what_an_id_looks_like(self, owner, path, expected):
        response = await owner.delete(f"/api/{path}")

        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response.json()["detail"].startswith(expected)
        assert "GET /api/" in response.json()["detail"]

    async def test_a_malformed_version_is_unknown(self, owner):
        response = await owner.get(f"/api/pipelines/{uuid4()}/versions/latest")

        assert response.json()["detail"] == (
            "Version `latest` does not exist. Versions are numbers, from 1 upwards."
        )

    async def test_a_path_that_is_no_text_is_unknown(self, owner):
        response = await owner.get("/api/pipelines/%ff%00")

        assert response.status_code == 404

    async def test_any_other_http_error_of_the_framework_has_a_code(self, app, client):
        async def teapot():
            raise HTTPException(418)

        app.add_api_route("/teapot", teapot)
        response = await client.get("/teapot")

        assert response.status_code == 418
        assert response.json()["code"] == "i_m_a_teapot"
