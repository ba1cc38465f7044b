import asyncio
import json
from ipaddress import ip_network

import httpx2
import pytest

from stepiq.server.connections.protocol import Clients, GuardedProtocol
from stepiq.web import requests
from stepiq.web.guard import MAX_HEADER_BYTES
from tests.support.live import live

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


class TestClients:
    @pytest.mark.parametrize(
        ("values", "client"),
        [
            (["203.0.113.9"], "203.0.113.9"),
            (["203.0.113.9:4711"], "203.0.113.9"),
            (["[2001:db8::1]:4711"], "2001:db8::1"),
            (["[2001:db8::1]"], "2001:db8::1"),
            (["2001:DB8:0::1"], "2001:db8::1"),
            (["::ffff:203.0.113.9"], "203.0.113.9"),
            (["fe80::1%<b>eth0</b>"], "fe80::1"),
            (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (["198.51.100.1", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ([], ""),
            ([""], ""),
            (["203.0.113.9,"], ""),
            (["unknown"], ""),
            (["203.0.113.9, _hidden"], ""),
            (["203.0.113.9, unknown, 10.0.0.2"], ""),
            (["203.0.113.9:http"], ""),
            (["[2001:db8::1"], ""),
            (["203.0.113.09"], ""),
            (["999.0.0.1"], ""),
            (["a" * 16_000], ""),
            (["10.0.0.2," * 1_600 + "10.0.0.3"], "10.0.0.2"),
        ],
    )
    def test_a_proxy_names_its_client_by_an_address(self, values: list[str], client: str):
        clients = Clients(["10.0.0.0/8"])
        headers = [(b"x-forwarded-for", value.encode()) for value in values]

        assert clients.forwarded(headers) == client

    @pytest.mark.parametrize(
        ("named", "client"),
        [
            ("203.0.113.9:80", "203.0.113.9"),
            ("unknown", "127.0.0.1"),
            ("fe80::1%<b>eth0</b>", "fe80::1"),
        ],
    )
    async def test_no_other_text_reaches_the_audit_log(self, app, settings, named, client):
        app.add_api_route("/client", requests.client_address)
        trusted = settings.model_copy(update={"trusted_proxies": (ip_network("127.0.0.1"),)})

        async with live(app, trusted) as server, httpx2.AsyncClient() as proxy:
            headers = {"X-Forwarded-For": named}
            response = await proxy.get(f"{server.url}/client", headers=headers)

        assert response.json() == client

    async def test_a_header_after_the_body_names_no_client(self, app, settings):
        app.add_api_route("/client", requests.client_address, methods=["POST"])
        trusted = settings.model_copy(update={"trusted_proxies": (ip_network("127.0.0.1"),)})

        async with live(app, trusted) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(
                b"POST /client HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n"
                b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"
            )
            answer = await read_all(reader)
            writer.close()

        assert answer.endswith(b'"203.0.113.9"')
