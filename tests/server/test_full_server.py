"""A server with as many connections as it accepts, on real sockets."""

import asyncio
import contextlib
import json
import os
import resource
import socket
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from stepiq.core.observability import metrics
from stepiq.server.connections import http
from tests.support import loop_time
from tests.support.live import live
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.one_store

TOTAL = 16
"""Of which a client has 4, two of them half-open."""
HALF = b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"
FORWARDED = b"GET /held HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %b\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"


@contextlib.asynccontextmanager
async def small(app, settings, **changes):
    """A server with few places, and what opens a connection from an address and sends something."""
    async with contextlib.AsyncExitStack() as opened:
        changes = {"max_connections": TOTAL, **changes}
        running = await opened.enter_async_context(live(app, settings.model_copy(update=changes)))

        async def send(address, sent):
            reader, writer = await asyncio.open_connection(
                running.host, running.port, local_addr=(address, 0)
            )
            opened.callback(writer.close)
            writer.write(sent)
            return reader, writer

        yield send


@pytest.fixture
def held(app):
    """Makes `/held` answer when the event is set."""
    released = asyncio.Event()

    async def hold():
        await released.wait()
        return "done"

    app.add_api_route("/held", hold)
    return released


async def answer(reader):
    """Status, headers and body."""
    head, _, rest = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).partition(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in rest.strip().split(b"\r\n"))
    body = await asyncio.wait_for(reader.readexactly(int(headers[b"content-length"])), 20)
    return int(head.split(b" ")[1]), headers, json.loads(body)


async def ask(send, address, path="/health"):
    reader, _ = await send(address, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return await answer(reader)


def refused(reason):
    return metrics.connections_refused.labels(reason)._value.get()


class TestHalfSentRequests:
    async def test_they_keep_nobody_out(self, app, settings, account):
        async with small(app, settings) as send:
            for number in range(TOTAL * 5):
                await send(f"127.0.0.{10 + number % 10}", HALF)
            login = {"email": account.email, "password": PASSWORD}
            body = json.dumps(login).encode()
            head = b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            reader, _ = await send(
                "127.0.0.1", b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
            )

            assert (await answer(reader))[0] == 200
            assert (await ask(send, "127.0.0.1"))[0] == 200

    async def test_those_of_the_same_address_do_not_either(self, app, settings):
        async with small(app, settings) as send:
            for _ in range(TOTAL * 5):
                await send("127.0.0.1", HALF)

            assert (await ask(send, "127.0.0.1"))[0] == 200

    async def test_the_metrics_count_them_until_they_are_closed(self, app, settings):
        before, closed = metrics.connections_open._value.get(), refused("half_open")
        async with small(app, settings) as send:
            for number in range(TOTAL * 2):
                await send(f"127.0.0.{10 + number}", HALF)
            await ask(send, "127.0.0.1")

            assert metrics.connections_open._value.get() <= before + TOTAL + TOTAL // 4
            assert refused("half_open") > closed

        assert metrics.connections_open._value.get() == before


class TestRequestsInProgress:
    async def test_a_full_server_answers_503_and_its_health(self, app, settings, held):
        async with small(app, settings) as send:
            readers = [(await send(f"127.0.0.{10 + n}", HELD))[0] for n in range(TOTAL)]
            await wait_for_places(send)

            before = refused("server_limit")
            healthy, closing, _ = await ask(send, "127.0.0.1")
            answered = refused("server_limit")
            status, headers, body = await ask(send, "127.0.0.1", "/api/models")
            held.set()
            answers = [await answer(reader) for reader in readers]

        assert (status, body["code"]) == (503, "server_full")
        assert headers[b"retry-after"] == b"5"
        assert "STEPIQ_MAX_CONNECTIONS" in body["detail"]
        assert (healthy, closing[b"connection"]) == (200, b"close")
        assert {status for status, _, _ in answers} == {200}
        assert (answered, refused("server_limit")) == (before, before + 1)

    async def test_an_address_with_all_its_connections_gets_429(self, app, settings, held):
        async with small(app, settings) as send:
            before = refused("address_limit")
            for _ in range(4):
                await send("127.0.0.7", HELD)
            reader, _ = await send("127.0.0.7", HELD)

            status, headers, body = await answer(reader)
            assert refused("address_limit") == before + 1

            assert (status, body["code"]) == (429, "too_many_connections")
            assert headers[b"retry-after"] == b"5"
            assert (await ask(send, "127.0.0.8", "/ready"))[0] in (200, 503)
            held.set()

    async def test_behind_a_proxy_the_client_counts_and_not_the_proxy(self, app, settings, held):
        proxies = (ip_network("127.0.0.0/8"),)
        async with small(app, settings, trusted_proxies=proxies) as send:
            for _ in range(4):
                await send("127.0.0.1", FORWARDED % b"203.0.113.7")
            fifth, _ = await send("127.0.0.1", FORWARDED % b"203.0.113.7")
            status, _, body = await answer(fifth)
            other, _ = await send("127.0.0.1", FORWARDED % b"2001:db8::1")
            held.set()

            assert (status, body["code"]) == (429, "too_many_connections")
            assert (await answer(other))[0] == 200

    async def test_an_idle_connection_makes_room(self, app, settings, held):
        async with small(app, settings) as send:
            idle, _ = await send("127.0.0.9", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            await answer(idle)
            for number in range(TOTAL):
                await send(f"127.0.0.{10 + number}", HELD)

            assert await asyncio.wait_for(idle.read(), 20) == b""
            held.set()

    async def test_so_does_one_of_the_same_address_at_its_limit(self, app, settings):
        async with small(app, settings) as send:
            idle, _ = await send("127.0.0.9", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            await answer(idle)
            for _ in range(4):
                assert (await ask(send, "127.0.0.9", "/ready"))[0] != 429

            assert await asyncio.wait_for(idle.read(), 20) == b""


async def wait_for_places(send):
    """Until all earlier requests have a place: connections are accepted in order."""
    await ask(send, "127.0.0.1")


@contextlib.contextmanager
def no_descriptors():
    """The process can open no file and no connection until the block ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class TestWithoutDescriptors:
    @pytest.fixture
    async def exhausted(self):
        """The pauses of the server when it found no descriptor. It tries again soon."""
        return loop_time.quicken(http.PAUSE_SECONDS)

    @pytest.fixture
    async def connect(self):
        """Connects a socket that exists already, and asks for `/health`."""
        client = socket.socket()
        client.setblocking(False)
        writers = []

        async def connect(running):
            address = (running.host, running.port)
            await asyncio.get_running_loop().sock_connect(client, address)
            reader, writer = await asyncio.open_connection(sock=client)
            writers.append(writer)
            writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            return reader

        yield connect
        for writer in writers:
            writer.close()
        client.close()

    async def test_the_server_accepts_again_when_there_is_one(
        self, app, settings, exhausted, connect
    ):
        async with live(app, settings) as running:
            with capture_logs() as logs, no_descriptors():
                reader = await connect(running)
                async with asyncio.timeout(20):
                    while exhausted.number < 3:  # noqa: ASYNC110 - a timer sets no event
                        await asyncio.sleep(0)

            assert (await answer(reader))[0] == 200

        assert [line["event"] for line in logs].count("open_files_exhausted") == 1

    async def test_an_idle_connection_is_closed_for_a_new_one(
        self, app, settings, exhausted, connect
    ):
        async with live(app, settings) as running:
            idle, opened = await running.connect()
            opened.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            await answer(idle)
            before = refused("idle")

            with no_descriptors():
                reader = await connect(running)

                assert (await answer(reader))[0] == 200
            assert await asyncio.wait_for(idle.read(), 20) == b""
            assert refused("idle") == before + 1
            opened.close()
