"""Whoever takes nothing of an answer is cut, whatever the answer is."""

import asyncio
import socket

import pytest
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from stepiq.core.observability import metrics
from stepiq.server.connections.protocol import GuardedProtocol
from tests.support.readers import reading

pytestmark = pytest.mark.one_store

SLOWEST = 0.2
LARGE = 8 * 1024 * 1024
SMALL_BUFFER = 4_096


@pytest.fixture
def ended(monkeypatch):
    """Readers must take something within `SLOWEST` seconds; connections of the server that are over."""
    ended: asyncio.Queue[GuardedProtocol] = asyncio.Queue()
    lost = GuardedProtocol.connection_lost

    def connection_lost(self, exc):
        lost(self, exc)
        ended.put_nowait(self)

    monkeypatch.setattr(GuardedProtocol, "reader_seconds", SLOWEST)
    monkeypatch.setattr(GuardedProtocol, "connection_lost", connection_lost)
    return ended


@pytest.fixture
def plain_system(monkeypatch):
    """A system that cuts nobody by itself."""
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT", raising=False)


@pytest.fixture
def answering(app, server):
    """Makes an address answer so many bytes."""

    def answering(size):
        async def answer():
            return "x" * (size - len('""'))

        app.add_api_route("/sized", answer)
        return "/sized"

    return answering


def cut():
    return metrics.slow_readers_cut._value.get()


class TestSlowReaders:
    async def test_whoever_takes_nothing_is_cut(self, plain_system, server, answering, ended):
        before = cut()
        with capture_logs() as logs:
            async with reading(server, answering(LARGE), buffer=SMALL_BUFFER) as reader:
                connection = await asyncio.wait_for(ended.get(), 20)

                with pytest.raises(ConnectionResetError):
                    await reader.take_all()

        (line,) = [line for line in logs if line["event"] == "slow_reader_cut"]
        assert cut() == before + 1
        assert line["path"] == "/sized"
        assert LARGE / 2 < line["unread_bytes"] < LARGE
        assert len(reader.raw) < LARGE / 2
        assert not connection.transport.get_write_buffer_size()

    async def test_whoever_begins_another_request_is_cut_too(
        self, plain_system, server, answering, ended
    ):
        before = cut()
        async with reading(server, answering(LARGE), buffer=SMALL_BUFFER) as reader:
            await reader.send(b"G")

            await asyncio.wait_for(ended.get(), 20)

        assert cut() == before + 1

    async def test_an_answer_that_goes_on_is_stopped(self, plain_system, app, server, ended):
        stopped = asyncio.Event()

        async def endless():
            try:
                while True:
                    yield b"x" * 1_000
                    await asyncio.sleep(0)
            finally:
                stopped.set()

        async def answer():
            return StreamingResponse(endless())

        app.add_api_route("/endless", answer)
        async with reading(server, "/endless", buffer=SMALL_BUFFER):
            await asyncio.wait_for(stopped.wait(), 20)

    async def test_whoever_takes_a_little_now_and_then_gets_it_all(
        self, server, answering, ended, monkeypatch
    ):
        monkeypatch.setattr(GuardedProtocol, "reader_seconds", 2)
        before = cut()
        headers = {"Connection": "close"}
        size = 1024 * 1024
        async with reading(server, answering(size), headers, buffer=32_768) as reader:
            # Longer than the limit in all, with pauses far below it.
            for _ in range(12):
                await asyncio.sleep(0.2)
                assert await reader.take(32_768)

            assert len((await reader.take_all()).partition(b"\r\n\r\n")[2]) == size
        assert cut() == before

    async def test_whoever_has_taken_all_may_stay(self, server, answering, ended):
        before = cut()
        async with reading(server, answering(1_000)) as reader:
            await reader.take()
            await asyncio.sleep(SLOWEST * 3)

            assert ended.empty()
        assert cut() == before

    @pytest.mark.skipif(
        not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit"
    )
    async def test_what_the_system_holds_counts_too(self, server, answering, ended):
        before = cut()
        async with reading(server, answering(20_000), buffer=SMALL_BUFFER):
            connection = await asyncio.wait_for(ended.get(), 20)

            assert connection._reader_timer is None
        assert cut() == before + 1
