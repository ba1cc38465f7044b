"""Connections that the server cuts."""

import asyncio

import pytest

from stepiq.server.connections.protocol import GuardedProtocol


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[GuardedProtocol]:
    """Connections of the server that are over. None is cut because its client reads slowly."""
    lost: asyncio.Queue[GuardedProtocol] = asyncio.Queue()
    lose = GuardedProtocol.connection_lost

    def connection_lost(self: GuardedProtocol, exc: Exception | None) -> None:
        lose(self, exc)
        lost.put_nowait(self)

    monkeypatch.setattr(GuardedProtocol, "reader_seconds", 3_600)
    monkeypatch.setattr(GuardedProtocol, "connection_lost", connection_lost)
    return lost
