"""How long an idle connection stays open."""

import asyncio

import pytest

REQUEST = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


async def pass_time(seconds: float) -> None:
    """Move the clock of the event loop, which ends with the test, and let due timers run."""
    loop = asyncio.get_running_loop()
    real = loop.time
    loop.time = lambda: real() + seconds
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def answered(reader, writer):
    """Send a request; False if the connection was closed."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200")


@pytest.mark.one_store
class TestIdleConnection:
    async def test_it_outlives_the_idle_connections_of_proxies(self, server):
        reader, writer = await server.connect()
        assert await answered(reader, writer)

        await pass_time(60)

        assert await answered(reader, writer)
        writer.close()

    async def test_it_is_closed_in_the_end(self, server):
        reader, writer = await server.connect()
        assert await answered(reader, writer)

        await pass_time(80)

        assert await reader.read() == b""
        writer.close()
