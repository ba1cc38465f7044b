"""Anthropic's client, which reads a stream in linear time. Imports the library: import this only when it is needed."""

from collections.abc import AsyncIterator

from anthropic import AsyncAnthropic
from anthropic._streaming import SSEDecoder


class Client(AsyncAnthropic):
    """The library's client with another way to read streams."""

    def _make_sse_decoder(self) -> SSEDecoder:
        return Events()


class Events(SSEDecoder):
    """Reads whole lines. The library's own decoder copies an event again for each of its lines."""

    async def _aiter_chunks(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        begun: list[bytes] = []
        async for chunk in iterator:
            lines, end, rest = chunk.rpartition(b"\n")
            if end:
                yield b"".join([*begun, lines, end])
                begun = []
            begun.append(rest)
        yield b"".join(begun)
