"""The guard, in front of the whole app."""

import asyncio
import json
import time

import httpx2
import pytest
import structlog
from starlette.types import Message

from stepiq.core.observability.log_output import facts
from stepiq.web.guard import MAX_BODY_BYTES, MAX_HEADER_BYTES, Guard
from tests.support.live import live

pytestmark = pytest.mark.one_store

KEYS = "/api/user/api-keys"
JSON = {"Content-Type": "application/json"}


async def read_answer(reader):
    """Status, headers and JSON of one answer; the connection may stay open behind it."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
    first, *rest = head.strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split(" ")[1]), headers, json.loads(body)


class TestHeaders:
    @pytest.mark.parametrize("path", ["/api/user/me", "/api/nope", "/health", "/confirm-recipient"])
    async def test_no_cache_keeps_an_answer_and_no_browser_guesses_its_type(self, owner, path):
        headers = (await owner.get(path)).headers

        assert headers.get_list("Cache-Control") == ["no-store"]
        assert headers.get_list("X-Content-Type-Options") == ["nosniff"]

    async def test_an_answer_with_a_new_key_is_not_kept_and_neither_is_its_repetition(self, owner):
        again = {"Idempotency-Key": "a"}
        answers = [await owner.post(KEYS, json={"name": "CI"}, headers=again) for _ in range(2)]

        assert [answer.headers["Cache-Control"] for answer in answers] == ["no-store", "no-store"]
        assert answers[1].headers["Idempotent-Replayed"] == "true"

    async def test_an_answer_that_says_how_long_it_may_be_kept_is_left_alone(self, client):
        headers = (await client.get("/api/schema/pipeline.json")).headers

        assert headers.get_list("Cache-Control") == ["public, max-age=300"]

    async def test_what_is_refused_before_the_app_has_them_too(self, server):
        reader, writer = await server.connect()
        writer.write(b"nonsense\r\n\r\n")

        status, headers, _ = await read_answer(reader)

        assert status == 400
        assert (headers["cache-control"], headers["x-content-type-options"]) == (
            "no-store",
            "nosniff",
        )
        writer.close()


class TestBodySize:
    async def test_a_body_of_exactly_the_limit_is_read(self, owner):
        name = "x" * (MAX_BODY_BYTES - len('{"name":""}'))

        response = await owner.post(KEYS, content=f'{{"name":"{name}"}}', headers=JSON)

        assert response.json()["code"] == "invalid_body"

    async def test_one_byte_more_is_refused_by_its_declared_length(self, server):
        async with httpx2.AsyncClient() as client:
            response = await client.post(
                server.url + KEYS, content=b" " * (MAX_BODY_BYTES + 1), headers=JSON
            )

        assert response.status_code == 413
        assert response.json()["code"] == "body_too_large"
        assert response.headers["Connection"] == "close"
        assert response.headers["X-Request-ID"] == response.json()["request_id"]

    async def test_a_body_without_a_declared_length_is_refused_while_it_comes(self, server):
        async def endless():
            for _ in range(20):
                yield b" " * 32_768

        async with httpx2.AsyncClient() as client:
            response = await client.post(server.url + KEYS, content=endless(), headers=JSON)

        assert response.status_code == 413

    async def test_a_huge_body_is_not_waited_for(self, server):
        reader, writer = await server.connect()
        writer.write(
            b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n"
        )
        writer.write(b" " * 65_536)

        started = time.perf_counter()
        status, headers, problem = await read_answer(reader)

        assert (status, problem["code"]) == (413, "body_too_large")
        assert headers["connection"] == "close"
        assert time.perf_counter() - started < 20
        writer.close()

    async def test_a_caller_who_asks_before_sending_is_told_without_sending(self, server):
        reader, writer = await server.connect()
        writer.write(
            b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )

        status, _, _ = await read_answer(reader)

        assert status == 413
        writer.close()


class TestStopping:
    @staticmethod
    async def answered(app) -> list[Message]:
        """What comes of a request when the server waits no longer."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/runs",
            "query_string": b"",
            "headers": [],
        }
        task = asyncio.create_task(Guard(app)(scope, receive, send))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sent

    async def test_who_has_no_answer_yet_is_told_to_try_again(self):
        async def app(scope, receive, send):
            await asyncio.Event().wait()

        start, body = await self.answered(app)

        assert start["status"] == 503
        assert dict(start["headers"])[b"retry-after"]
        assert json.loads(body["body"])["code"] == "server_stopping"

    async def test_an_answer_that_has_begun_just_ends(self):
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await asyncio.Event().wait()

        assert [message["type"] for message in await self.answered(app)] == ["http.response.start"]


class TestBodyTime:
    async def test_a_body_that_stops_coming_is_refused(self):
        async def unfinished() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def app(scope, receive, send):
            raise AssertionError("the app must not see it")

        sent = []

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/auth/login",
            "query_string": b"",
            "headers": [(b"content-length", b"5")],
        }
        guard = Guard(app, body_seconds=0.01, drain_seconds=0.01)
        await guard(scope, unfinished, send)

        assert sent[0]["status"] == 408
        assert json.loads(sent[1]["body"])["code"] == "request_timeout"

    async def test_a_caller_who_hangs_up_in_between_leaves_nothing_behind(self, app, settings):
        ended = asyncio.Event()

        async def observed(scope, receive, send):
            await app(scope, receive, send)
            ended.set()

        with structlog.testing.capture_logs() as lines:
            async with live(observed, settings) as server:
                _, writer = await server.connect()
                writer.write(
                    b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"
                )
                await writer.drain()
                writer.close()
                await asyncio.wait_for(ended.wait(), 20)

        assert [line["status"] for line in lines if line["event"] == "request"] == [499]


class TestHead:
    async def test_headers_beyond_the_limit_are_refused(self, client):
        response = await client.get("/health", headers={"X-Big": "x" * MAX_HEADER_BYTES})

        assert response.status_code == 431
        assert response.json()["code"] == "headers_too_large"

    async def test_nul_in_the_query_string_is_refused(self, owner):
        response = await owner.get("/api/runs?q=a%00b")

        assert response.status_code == 400
        assert response.json()["code"] == "malformed_query"

    async def test_nul_in_the_path_leads_nowhere(self, owner):
        response = await owner.delete("/api/user/secrets/a%00b")

        assert response.status_code == 404
        assert response.json()["code"] == "unknown_path"


class TestHeaderValues:
    async def test_blanks_around_them_do_not_count(self, server, account, make):
        key = (await make.api_key(account)).text
        body = b'{"definition": {"name": "A", "steps": [{"id": "a", "type": "transform", "template": "x"}]}}'
        reader, writer = await server.connect()

        async def create(blank: str):
            head = (
                f"POST /api/pipelines HTTP/1.1\r\nHost: a\r\nX-API-Key:{blank}{key}{blank}\r\n"
                f"Content-Type:{blank}application/json{blank}\r\nIdempotency-Key:{blank}k1{blank}\r\n"
                f"X-Request-ID:{blank}mine{blank}\r\nContent-Length:{blank}{len(body)}{blank}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            return await read_answer(reader)

        first, again = await create(" "), await create(" \t ")
        writer.close()

        assert (first[0], first[1]["x-request-id"]) == (201, "mine")
        assert again[2] == first[2]
        assert again[1]["idempotent-replayed"] == "true"


class TestRequestId:
    async def test_every_answer_has_one(self, client):
        response = await client.get("/api/nope")

        assert response.headers["X-Request-ID"] == response.json()["request_id"]

    async def test_a_callers_own_is_kept(self, client):
        response = await client.get("/health", headers={"X-Request-ID": "abc-1.2_3"})

        assert response.headers["X-Request-ID"] == "abc-1.2_3"

    @pytest.mark.parametrize("given", ["a b", "a" * 65, "é", ""])
    async def test_one_that_could_harm_a_log_is_replaced(self, client, given):
        response = await client.get("/health", headers={"X-Request-ID": given.encode()})

        assert response.headers["X-Request-ID"] != given
        assert len(response.headers["X-Request-ID"]) == 36


class TestLog:
    async def test_one_line_says_what_was_asked_and_how_it_went(self, client):
        with structlog.testing.capture_logs() as lines:
            await client.get("/api/nope?token=secret", headers={"X-API-Key": "sk_live_secret"})

        [line] = [facts(line) for line in lines]
        assert line["event"] == "request"
        assert (line["method"], line["path"], line["status"]) == ("GET", "/api/nope", 404)
        assert line["code"] == "unknown_path"
        assert line["duration_ms"] >= 0
        assert "secret" not in str(line)


class TestBugs:
    async def test_a_bug_is_logged_and_tells_its_caller_only_where_to_look(self, app, client):
        async def broken():
            raise ZeroDivisionError("internal detail")

        app.add_api_route("/broken", broken)
        with structlog.testing.capture_logs() as lines:
            response = await client.get("/broken")

        assert response.status_code == 500
        assert response.json()["code"] == "internal"
        assert response.headers["X-Request-ID"] in response.json()["detail"]
        assert "internal detail" not in response.text
        assert lines[0]["event"] == "request_failed"
        assert lines[0]["exc_info"]
