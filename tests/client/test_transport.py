"""What both clients send, when they repeat it, and which errors they raise."""

import copy
import pickle
from typing import Any

import pytest

from stepiq.client import (
    ApiError,
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseInvalidError,
    RunTimeoutError,
    ServerError,
    ServerUnreachableError,
    UnprocessableError,
    WebhookInvalidError,
    errors,
    requests,
)
from stepiq.client.retries import LONGEST_WAIT, backoff
from tests.support.client_twins import twin_of
from tests.support.scripted_server import DROP, SILENCE, Answer


def get(client: Any) -> Any:
    return client.request("GET", "/api/runs")


def post(client: Any, **options: Any) -> Any:
    return client.request("POST", "/api/runs", json={"a": 1}, **options)


def put(client: Any) -> Any:
    return client.pipelines.update("p", "a: 1")


def put_draft(client: Any) -> Any:
    return client.drafts.update("p", text="a: 1")


def post_safely(client: Any) -> Any:
    return post(client, idempotency_key="order-1")


def problem(status: int, code: str = "some_code", **fields: Any) -> Answer:
    body = {"status": status, "code": code, "detail": "What to do.", **fields}
    return Answer(status, body, {"x-request-id": "r-1"})


class TestRequests:
    async def test_an_api_key_and_the_query_are_sent(self, twin, script):
        await twin.call(
            lambda client: client.request(
                "GET",
                "/api/runs",
                query={"q": "ü&", "tag": None, "all": True, "status": ["a", "b"]},
            )
        )

        [received] = script.received
        assert received.target == "/api/runs?q=%C3%BC%26&all=true&status=a&status=b"
        assert received.headers["x-api-key"] == "sk_live_test"
        assert received.headers["user-agent"].startswith("stepiq-client/")
        assert "x-workspace" not in received.headers
        assert "cookie" not in received.headers

    async def test_a_session_names_its_workspace(self, twin, script):
        other = twin.client.with_session("jwt", workspace="w-1")

        await type(twin)(other).call(get)

        [received] = script.received
        assert received.headers["authorization"] == "Bearer jwt"
        assert received.headers["x-workspace"] == "w-1"
        assert "x-api-key" not in received.headers

    async def test_a_session_is_in_the_workspace_of_its_client(self, kind, script, monkeypatch):
        monkeypatch.setenv("STEPIQ_WORKSPACE", "w-2")
        async with twin_of(kind, script.url) as twin:
            other = twin.client.with_session("jwt")

            await type(twin)(other).call(get)

        [received] = script.received
        assert received.headers["x-workspace"] == "w-2"

    async def test_cookies_are_not_kept(self, twin, script):
        script.script = [Answer(headers={"set-cookie": "session=1"})]

        await twin.call(get)
        await twin.call(get)

        assert "cookie" not in script.received[1].headers

    async def test_json_and_text_have_their_types(self, twin, script):
        await twin.call(post)
        await twin.call(
            lambda client: client.request(
                "PUT", "/x", content=b"a: 1", content_type="application/yaml"
            )
        )

        first, second = script.received
        assert (first.body, first.headers["content-type"]) == (b'{"a":1}', "application/json")
        assert (second.body, second.headers["content-type"]) == (b"a: 1", "application/yaml")

    async def test_the_header_for_the_type_of_the_content_is_sent(self, twin, script):
        def put(client: Any, **options: Any) -> Any:
            headers = {"Content-Type": "application/yaml"}
            return client.request("PUT", "/x", headers=headers, content=b"a: 1", **options)

        await twin.call(put)
        await twin.call(lambda client: put(client, content_type="text/x"))

        kinds = [each.headers["content-type"] for each in script.received]
        assert kinds == ["application/yaml", "text/x"]

    @pytest.mark.parametrize(
        "path", ["@{host}/x", "http://{host}/x", "//{host}/x", "api/runs", "", ".example.com/"]
    )
    async def test_a_path_cannot_name_another_server(self, path, kind, script):
        text = path.format(host=script.url.removeprefix("http://"))
        async with twin_of(
            kind, "http://elsewhere.invalid", api_key="sk_live_x", max_retries=0
        ) as twin:
            with pytest.raises(ValueError, match="begin with /"):
                await twin.call(lambda client: client.request("GET", text))

        assert script.received == []

    @pytest.mark.parametrize("value", ["", "a b", "a\nb", "schlüssel", "\x7f", "a" * 256])
    async def test_an_idempotency_key_that_no_server_accepts_is_refused(self, value, twin, script):
        for act in (
            lambda client: post(client, idempotency_key=value),
            lambda client: client.runs.start("p", idempotency_key=value),
        ):
            with pytest.raises(ValueError, match="visible ASCII"):
                await twin.call(act)

        assert script.received == []

    def test_a_body_is_not_shown(self):
        request = requests.ApiRequest("POST", "/api/auth/login", body=b'{"password":"hunter2"}')

        assert "hunter2" not in repr(request)

    @pytest.mark.parametrize("value", ["", ".", ".."])
    def test_a_value_cannot_name_another_path(self, value):
        with pytest.raises(ValueError, match="run_id"):
            requests.path("/api/runs/{run_id}", run_id=value)

    def test_values_in_paths_are_quoted(self):
        found = requests.path("/api/runs/{run_id}", run_id="../a?b#c/ü")

        assert found == "/api/runs/..%2Fa%3Fb%23c%2F%C3%BC"


class TestConfiguration:
    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_the_environment_names_server_and_key(self, kind, monkeypatch):
        monkeypatch.setenv("STEPIQ_SERVER", "https://stepiq.example.com/base/")
        monkeypatch.setenv("STEPIQ_API_KEY", " sk_live_x\n")
        monkeypatch.setenv("STEPIQ_WORKSPACE", "w-1")

        connection = kind()._transport.connection

        assert connection.server == "https://stepiq.example.com/base"
        assert connection.headers()["x-api-key"] == "sk_live_x"
        assert connection.workspace == "w-1"
        assert "sk_live_x" not in repr(connection)

    @pytest.mark.parametrize(
        ("variables", "server"),
        [
            ({"STEPIQ_PORT": "9000"}, "http://127.0.0.1:9000"),
            ({"STEPIQ_HOST": "0.0.0.0", "STEPIQ_PORT": "9000"}, "http://127.0.0.1:9000"),  # noqa: S104 -- an address to read
            ({"STEPIQ_HOST": "::"}, "http://[::1]:8080"),
            ({"STEPIQ_HOST": "192.0.2.1"}, "http://192.0.2.1:8080"),
        ],
    )
    def test_the_default_server_is_where_one_of_this_machine_listens(
        self, variables, server, monkeypatch
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert Client(api_key="sk_live_x").url == server

    def test_a_token_replaces_the_key_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_API_KEY", "sk_live_x")

        headers = Client(access_token="jwt")._transport.connection.headers()

        assert "x-api-key" not in headers

    @pytest.mark.parametrize(
        "server", ["localhost:8080", "ftp://a", "http://", "http://a:x", "http://a?b", "http://[a"]
    )
    def test_an_invalid_url_is_refused(self, server):
        with pytest.raises(ConfigurationError, match="Invalid URL of the server"):
            Client(server)

    def test_a_password_in_the_url_is_refused(self):
        with pytest.raises(ConfigurationError, match="API key") as caught:
            Client("http://user:hunter2@a")

        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("key", ["", " ", "a\nb", "schlüssel"])
    def test_a_key_that_no_header_can_have_is_refused(self, key):
        with pytest.raises(ConfigurationError, match="API key"):
            Client(api_key=key)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize("token", ["", " ", "hunter2\nb", "hunter2ü"])
    def test_a_token_that_no_header_can_have_is_refused(self, kind, token):
        with pytest.raises(ConfigurationError, match="access token") as caught:
            kind("http://a").with_session(token)

        assert "hunter2" not in str(caught.value)

    def test_a_workspace_that_no_header_can_have_is_refused(self):
        with pytest.raises(ConfigurationError, match="workspace"):
            Client("http://a").with_session("jwt", workspace="w\n1")


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, BadRequestError),
            (401, AuthenticationError),
            (403, PermissionDeniedError),
            (404, NotFoundError),
            (409, ConflictError),
            (412, PreconditionFailedError),
            (413, BadRequestError),
            (422, UnprocessableError),
            (500, ServerError),
        ],
    )
    async def test_each_family_has_its_class(self, status, kind, twin, script):
        script.script = [problem(status, errors=[{"path": "a"}], current=7)]

        with pytest.raises(ApiError) as caught:
            await twin.call(get)

        error = caught.value
        assert type(error) is kind
        assert (error.status, error.code, error.message) == (status, "some_code", "What to do.")
        assert (error.request_id, error.errors) == ("r-1", [{"path": "a"}])
        assert str(error) == f"What to do. ({status} some_code)"
        assert error.problem["current"] == 7

    async def test_the_error_of_a_proxy_has_an_excerpt(self, twin, script):
        script.script = [Answer(500, b"<h1>Oops</h1>\n\xff")]

        with pytest.raises(ServerError) as caught:
            await twin.call(get)

        assert caught.value.code == "unknown"
        assert (
            caught.value.message
            == "The server returned the status 500: <h1>Oops</h1> \N{REPLACEMENT CHARACTER}"
        )

    async def test_the_page_of_another_server_is_not_quoted(self, twin, script):
        script.script = [
            Answer(404, b"<!DOCTYPE HTML>", {"content-type": "text/html;charset=utf-8"})
        ]

        with pytest.raises(NotFoundError, match="Is this the URL of a stepIQ server") as caught:
            await twin.call(get)

        assert "DOCTYPE" not in caught.value.message

    async def test_a_redirect_is_not_followed(self, twin, script):
        script.script = [Answer(302, b"", {"location": "http://127.0.0.1:1/x"})]

        with pytest.raises(BadRequestError, match="redirects to http://"):
            await twin.call(get)

        assert len(script.received) == 1

    async def test_text_instead_of_json_is_an_error_of_the_library(self, twin, script):
        script.script = [Answer(200, b"<html>")]
        response = await twin.call(get)

        with pytest.raises(ResponseInvalidError, match="not JSON") as caught:
            response.json()

        assert caught.value.status == 200

    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_no_server_is_named_with_its_url(self, kind, script):
        async with twin_of(kind, "http://127.0.0.1:1", max_retries=0) as twin:
            with pytest.raises(ServerUnreachableError) as caught:
                await twin.call(get)

        assert caught.value.message == "http://127.0.0.1:1 cannot be reached: Connection refused."
        assert (caught.value.status, caught.value.request_id) == (None, None)

    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_a_silent_server_is_a_timeout(self, kind, script):
        script.script = [SILENCE]
        async with twin_of(kind, script.url, timeout=1.5, max_retries=0) as twin:
            with pytest.raises(RequestTimeoutError, match=r"within 1\.5 seconds"):
                await twin.call(get)

    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_the_wait_of_the_server_is_added_to_the_timeout(self, kind, script):
        script.script = [SILENCE]
        async with twin_of(kind, script.url, timeout=1.2, max_retries=0) as twin:
            with pytest.raises(RequestTimeoutError, match=r"within 1\.5 seconds"):
                await twin.call(lambda client: client.runs.start("p", wait=0.3))

    async def test_the_current_state_is_part_of_a_failed_precondition(self, twin, script):
        script.script = [problem(412, current={"version": 7}), problem(412)]

        found = []
        for _ in range(2):
            with pytest.raises(PreconditionFailedError) as caught:
                await twin.call(lambda client: client.pipelines.update("p", "a: 1", if_match=6))
            found.append(caught.value.current)

        assert found == [{"version": 7}, None]

    @pytest.mark.parametrize(
        "error",
        [
            ConfigurationError("No."),
            ServerUnreachableError("No.", was_sent=False),
            RequestTimeoutError("No."),
            ResponseInvalidError("No.", status=200, request_id="r-1"),
            RunTimeoutError("No.", "r"),
            WebhookInvalidError("No."),
            *(
                errors.error_of(status, {"x-request-id": "r-1"}, b'{"code": "a", "detail": "b"}')
                for status in (400, 401, 403, 404, 409, 412, 422, 429, 500)
            ),
        ],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize("copied", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])  # noqa: S301 - made here
    def test_it_can_be_sent_to_another_process(self, error, copied):
        error.add_note("a note")

        found = copied(error)

        assert type(found) is type(error)
        assert (str(found), found.args, vars(found)) == (str(error), error.args, vars(error))
        assert (found.status, found.code) == (error.status, error.code)


class TestRetries:
    @pytest.mark.parametrize(
        "failure", [problem(502), problem(503), problem(504), DROP, Answer(body={"a": 1}, cut_at=3)]
    )
    @pytest.mark.parametrize("act", [get, post_safely])
    async def test_a_temporary_failure_is_repeated(self, failure, act, twin, script):
        script.script = [failure, failure, Answer(body={"found": True})]

        response = await twin.call(act)

        assert response.json() == {"found": True}
        assert len(script.received) == 3
        assert len({(each.body, each.target) for each in script.received}) == 1
        keys = {each.headers.get("idempotency-key") for each in script.received}
        assert keys == {"order-1" if act is post_safely else None}

    @pytest.mark.parametrize("failure", [problem(502), problem(503), DROP])
    @pytest.mark.parametrize("act", [post, put, put_draft])
    async def test_a_post_or_put_without_a_key_is_not(self, failure, act, twin, script):
        script.script = [failure]

        with pytest.raises((ServerError, ServerUnreachableError)):
            await twin.call(act)

        assert len(script.received) == 1

    @pytest.mark.parametrize("failure", [problem(503), DROP])
    async def test_a_put_with_the_version_that_it_replaces_is(self, failure, twin, script):
        script.script = [failure, problem(412)]

        with pytest.raises(PreconditionFailedError):
            await twin.call(lambda client: client.pipelines.update("p", "a: 1", if_match=1))

        assert [each.headers["if-match"] for each in script.received] == ['"v1"'] * 2

    async def test_a_put_is_if_it_was_not_sent(self, kind, quick):
        async with twin_of(kind, "http://127.0.0.1:1", max_retries=1) as twin:
            with pytest.raises(ServerUnreachableError) as caught:
                await twin.call(put)

        assert not caught.value.was_sent

    async def test_a_repeated_deletion_does_not_find_the_object(self, twin, script):
        script.script = [DROP, problem(404)]

        with pytest.raises(NotFoundError):
            await twin.call(lambda client: client.schedules.delete("s"))

        assert [each.method for each in script.received] == ["DELETE"] * 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
    async def test_a_permanent_failure_is_not(self, status, twin, script):
        script.script = [problem(status)]

        with pytest.raises(ApiError):
            await twin.call(get)

        assert len(script.received) == 1

    async def test_a_limit_is_waited_for_even_by_a_post(self, twin, script):
        script.script = [Answer(429, {"code": "a", "detail": "b"}, {"retry-after": "0"})] * 2

        await twin.call(post)

        assert len(script.received) == 3

    async def test_a_request_in_progress_is_waited_for(self, twin, script):
        script.script = [problem(409, "idempotency_in_progress")]

        await twin.call(post_safely)

        assert len(script.received) == 2

    async def test_a_long_wait_is_left_to_the_caller(self, twin, script):
        wait = str(int(LONGEST_WAIT) + 1)
        script.script = [Answer(429, {"code": "a", "detail": "b"}, {"retry-after": wait})]

        with pytest.raises(RateLimitError) as caught:
            await twin.call(get)

        assert caught.value.retry_after == LONGEST_WAIT + 1

    async def test_attempts_have_a_limit(self, kind, script, quick):
        script.script = [problem(503)] * 9
        async with twin_of(kind, script.url, max_retries=3) as twin:
            with pytest.raises(ServerError):
                await twin.call(get)

        assert len(script.received) == 4

    def test_pauses_grow_and_differ(self):
        pauses = [[backoff(repeats) for _ in range(20)] for repeats in (0, 3, 100)]

        assert all(len(set(each)) > 1 for each in pauses)
        assert max(pauses[0]) < min(pauses[1]) < max(pauses[2]) <= 8
