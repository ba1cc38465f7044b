import asyncio
import socket
import threading

import pytest

from stepiq.core.http import SystemResolver


class TestSystemResolver:
    async def test_it_asks_the_system(self):
        assert "127.0.0.1" in await SystemResolver().resolve("localhost")

    async def test_what_the_system_does_not_know_is_an_error(self, monkeypatch: pytest.MonkeyPatch):
        def unknown(*_args, **_options):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)

        with pytest.raises(OSError, match="unknown"):
            await SystemResolver().resolve("unknown.example")

    async def test_slow_look_ups_keep_their_places(self, monkeypatch: pytest.MonkeyPatch):
        answered, running = threading.Event(), 0

        def slow(*_args, **_options):
            nonlocal running
            running += 1
            answered.wait(10)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        resolver = SystemResolver()
        asking = [asyncio.create_task(resolver.resolve(f"{n}.example")) for n in range(20)]
        given_up, _ = await asyncio.wait(asking, timeout=0.2)
        asking[0].cancel()
        most = running
        answered.set()
        answers = await asyncio.gather(*asking[1:])

        assert not given_up
        assert most == 16
        assert answers == [["127.0.0.1"]] * 19
