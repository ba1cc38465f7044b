from collections.abc import AsyncIterator, Sequence

import pytest

from stepiq.providers.anthropic_client import Events
from tests.support.pace import cpu_limit


async def sent(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(pieces: Sequence[bytes]) -> list[tuple[str | None, str]]:
    return [(event.event, event.data) async for event in Events().aiter_bytes(sent(pieces))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
class TestEvents:
    async def test_an_event_is_the_same_wherever_it_is_cut(self, end: str):
        body = end.join(["event: a", "data: é", "data: c", "", "data: d", "", ""]).encode()

        for at in range(len(body) + 1):
            assert await read([body[:at], body[at:]]) == [("a", "é\nc"), (None, "d")]

    async def test_an_event_of_many_lines_takes_linear_time(self, end: str):
        piece = f"data: x{end}".encode() * 1_000

        with cpu_limit(2):
            events = await read([piece] * 100 + [end.encode()])

        assert len(events[0][1]) == 2 * 100_000 - 1
