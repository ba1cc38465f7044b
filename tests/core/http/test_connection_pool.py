import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import httpx2
import pytest

from stepiq.core.http import Client, connection_pool, operator_client
from tests.support.listeners import answer, listening, serving


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with operator_client() as client:
        yield client


class Silent:
    """A server that sends the beginning of a response, and waits until the client closes the connection."""

    def __init__(self, beginning: bytes = b"") -> None:
        self._beginning = beginning
        self.has_begun = asyncio.Event()
        self.has_ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(self._beginning)
        self.has_begun.set()
        with suppress(ConnectionError):
            await reader.read()
        self.has_ended.set()


class TestReuse:
    async def test_requests_one_after_the_other_use_one_connection(self, client: Client):
        async with listening() as server:
            for _ in range(3):
                assert (await client.get(server.url)).content == b"hello"

        assert server.connections == 1

    async def test_concurrent_requests_use_a_connection_each(self, client: Client):
        arrived, all_arrived = 0, asyncio.Event()

        async def reply(_request: bytes, writer: asyncio.StreamWriter) -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 50:
                all_arrived.set()
            await all_arrived.wait()
            writer.write(answer())

        async with listening(*(reply for _ in range(100))) as server:
            for _ in range(2):
                await asyncio.gather(*(client.get(server.url) for _ in range(50)))

        assert server.connections == 50

    async def test_a_response_that_is_not_read_to_its_end_closes_the_connection(
        self, client: Client
    ):
        begun = Silent(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        async with serving(begun) as url:
            async with client.stream("GET", url) as reply:
                async for _ in reply.aiter_raw():
                    break
            await asyncio.wait_for(begun.has_ended.wait(), 5)

    async def test_a_complete_response_frees_the_connection_before_it_is_read(self, client: Client):
        async with listening() as server:
            first = await client.send(client.build_request("GET", server.url), stream=True)
            # Its body has arrived together with its headers.
            again = await client.get(server.url)
            body = await first.aread()

        assert (body, again.content) == (b"hello", b"hello")
        assert server.connections == 1

    async def test_a_connection_that_the_server_has_closed_is_not_used(self, client: Client):
        async def reply(_request: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(answer())
            writer.write_eof()

        async with listening(reply, reply) as server:
            replies = [await client.get(server.url) for _ in range(2)]

        assert [each.content for each in replies] == [b"hello"] * 2
        assert server.connections == 2

    async def test_an_unused_connection_is_closed_in_time(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(connection_pool, "IDLE_SECONDS", 0.05)
        complete = Silent(answer())
        async with serving(complete) as url:
            await client.get(url)
            await asyncio.wait_for(complete.has_ended.wait(), 5)

    def test_it_is_closed_before_a_server_of_node_js_closes_it(self):
        # Node.js: `server.keepAliveTimeout`.
        assert connection_pool.IDLE_SECONDS < 5

    async def test_the_oldest_unused_connection_is_closed_if_there_are_too_many(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(connection_pool, "MAX_IDLE", 1)
        oldest = Silent(answer())
        async with serving(oldest) as url, listening() as other:
            await client.get(url)
            await client.get(other.url)
            await asyncio.wait_for(oldest.has_ended.wait(), 5)
            await client.get(other.url)

        assert other.connections == 1


class TestClosing:
    async def test_cancelling_a_request_closes_its_connection(self, client: Client):
        silent = Silent()
        async with serving(silent) as url:
            task = asyncio.create_task(client.get(url))
            await silent.has_begun.wait()
            task.cancel()
            await asyncio.wait_for(silent.has_ended.wait(), 5)

        assert task.cancelled()

    async def test_cancelling_a_response_closes_its_connection(self, client: Client):
        silent = Silent(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        reading = asyncio.Event()

        async def read(url: str) -> None:
            async with client.stream("GET", url) as reply:
                async for _ in reply.aiter_raw():
                    reading.set()

        async with serving(silent) as url:
            task = asyncio.create_task(read(url))
            await reading.wait()
            task.cancel()
            await asyncio.wait_for(silent.has_ended.wait(), 5)

        assert task.cancelled()

    async def test_closing_the_client_ends_requests_in_progress(self, client: Client):
        silent = Silent()
        async with serving(silent) as url:
            task = asyncio.create_task(client.get(url))
            await silent.has_begun.wait()
            await client.aclose()
            with pytest.raises(httpx2.ReadError):
                await asyncio.wait_for(task, 5)


class TestConnecting:
    async def test_a_handshake_that_does_not_end_is_closed_in_time(self, client: Client):
        silent = Silent()
        async with serving(silent) as url:
            with pytest.raises(httpx2.ConnectTimeout):
                await client.get(
                    url.replace("http:", "https:"), timeout=httpx2.Timeout(5, connect=0.2)
                )
            await asyncio.wait_for(silent.has_ended.wait(), 5)

    async def test_a_server_without_tls_is_an_error(self, client: Client):
        async with serving(Silent(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
            with pytest.raises(httpx2.ConnectError):
                await client.get(url.replace("http:", "https:"))

    async def test_a_host_without_address_is_an_error(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ):
        def fail(*_arguments: object, **_options: object) -> object:
            raise socket.gaierror("no such name")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(httpx2.ConnectError):
            await client.get("http://" + 64 * "a" + ".invalid")

    async def test_the_next_address_is_tried(self):
        async def find(_host: str) -> Sequence[str]:
            return ["127.0.0.2", "127.0.0.1"]

        trusted = httpx2.create_ssl_context(trust_env=False)
        pool = connection_pool.PooledTransport(trusted, find)
        async with listening() as server, httpx2.AsyncClient(transport=pool) as client:
            reply = await client.get(f"http://two.example:{server.port}/")

        assert reply.content == b"hello"

    async def test_other_protocols_are_refused(self, client: Client):
        with pytest.raises(httpx2.UnsupportedProtocol):
            await client.get("ftp://127.0.0.1/")
