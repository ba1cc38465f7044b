import asyncio
import json

import pytest

from stepiq.server.protocol import GuardedProtocol
from stepiq.web.guard import MAX_HEADER_BYTES

pytestmark = pytest.mark.one_store

SLOWEST = 0.5


@pytest.fixture
def hurried(monkeypatch):
    """Heads must arrive within `SLOWEST` seconds."""
    monkeypatch.setattr(GuardedProtocol, "header_seconds", SLOWEST)


async def read_all(reader):
    return await asyncio.wait_for(reader.read(), 20)


def problem(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"x-request-id: " in head.lower()
    assert b"\r\nconnection: close" in head.lower()
    return int(head.split(b" ")[1]), json.loads(body)["code"]


class TestTime:
    async def test_a_connection_that_says_nothing_is_closed(self, hurried, server):
        reader, writer = await server.connect()

        assert await read_all(reader) == b""
        writer.close()

    async def test_half_a_head_is_answered_and_closed(self, hurried, server):
        reader, writer = await server.connect()
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n")

        assert problem(await read_all(reader)) == (408, "request_timeout")
        writer.close()

    async def test_so_is_half_of_a_second_head(self, hurried, server):
        reader, writer = await server.connect()
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(b"GET /hea")

        assert problem(await read_all(reader)) == (408, "request_timeout")
        writer.close()

    async def test_a_complete_request_is_not_hurried(self, hurried, app, server):
        async def slow():
            await asyncio.sleep(SLOWEST * 3)
            return "done"

        app.add_api_route("/slow", slow)
        reader, writer = await server.connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

        assert (await read_all(reader)).endswith(b'"done"')
        writer.close()

    async def test_nor_is_a_body_that_comes_later(self, hurried, server):
        reader, writer = await server.connect()
        writer.write(
            b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        )
        await asyncio.sleep(SLOWEST * 3)
        writer.write(b"{}")

        assert b"422 Unprocessable" in await read_all(reader)
        writer.close()


class TestSize:
    async def test_a_header_without_end_is_refused(self, server):
        reader, writer = await server.connect()
        writer.write(b"GET /health HTTP/1.1\r\nX: " + b"x" * (MAX_HEADER_BYTES + 1))

        assert problem(await read_all(reader)) == (431, "headers_too_large")
        writer.close()

    async def test_headers_without_end_are_refused(self, server):
        reader, writer = await server.connect()
        writer.write(b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 4_000)

        assert problem(await read_all(reader)) == (431, "headers_too_large")
        writer.close()

    async def test_many_requests_on_one_connection_are_not_added_up(self, server):
        reader, writer = await server.connect()
        for _ in range(4):
            writer.write(b"GET /health HTTP/1.1\r\nX: " + b"x" * 8_000 + b"\r\n\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert answer.startswith(b"HTTP/1.1 200")
        writer.close()


class TestGarbage:
    @pytest.mark.parametrize(
        "sent",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            b"hello\r\n\r\n",
            b"GET /health HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"GET /health HTTP/1.1\r\nA\x00: b\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        ],
    )
    async def test_what_is_no_request_gets_a_code(self, server, sent):
        reader, writer = await server.connect()
        writer.write(sent)

        assert problem(await read_all(reader)) == (400, "malformed_request")
        writer.close()
