"""Anthropic's client, changed to read streams in linear time. Imports the library, so import it only when needed."""

from collections.abc import AsyncIterator

from anthropic import AsyncAnthropic
from anthropic._streaming import SSEDecoder


class Client(AsyncAnthropic):
    """The library's client with another stream decoder."""

    def _make_sse_decoder(self) -> SSEDecoder:
        return Events()


class Events(SSEDecoder):
    """Reads whole lines. The library's decoder copies an event once for each of its lines."""

    async def _aiter_chunks(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        begun: list[bytes] = []
        async for chunk in iterator:
            lines, end, rest = chunk.rpartition(b"\n")
            if end:
                yield b"".join([*begun, lines, end])
                begun = []
            begun.append(rest)
        yield b"".join(begun)
