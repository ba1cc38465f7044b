"""Reads and decodes the bodies of responses, up to a limit."""

import zlib

import httpx2

_GZIP = frozenset({"gzip", "x-gzip"})
_AS_IT_IS = frozenset({"", "identity"})
DECODED = _AS_IT_IS | _GZIP | {"deflate"}
"""The encodings that can be read. The size of nested encodings can grow a thousandfold at each level."""


def encoding_of(response: httpx2.Response) -> str:
    """The `Content-Encoding` of a response; empty if it has none."""
    return response.headers.get("content-encoding", "").strip().lower()


async def read(response: httpx2.Response, max_bytes: int) -> tuple[bytes, bool]:
    """The decoded body, and whether it was cut at `max_bytes`.

    Raises:
        httpx2.DecodingError: the body is incomplete, or not in its encoding.
    """
    encoding = encoding_of(response)
    decoder = None if encoding in _AS_IT_IS else _BodyDecoder(is_gzip=encoding in _GZIP)
    body, received = bytearray(), 0
    chunks = response.aiter_raw()
    try:
        async for chunk in chunks:
            received += len(chunk)
            body += chunk if decoder is None else decoder.decode(chunk, max_bytes + 1 - len(body))
            # An endless body can decode to nothing.
            if len(body) > max_bytes or received > 2 * max_bytes + 1024:
                return bytes(body[:max_bytes]), True
    finally:
        await chunks.aclose()
    if decoder is not None and received:
        decoder.finish()
    return bytes(body), False


class _BodyDecoder:
    """Decodes gzip, which can have several members, and deflate, which some servers send without its header."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._inflate = zlib.decompressobj(31) if is_gzip else None
        self._start = b""
        self._has_ended = False

    def decode(self, data: bytes, room: int) -> bytes:
        """Decode a part of a body, to at most `room` bytes."""
        if self._inflate is None:
            data = self._start = self._start + data
            if len(data) < 2:
                return b""
            self._inflate = zlib.decompressobj(15 if _has_header(data) else -15)
        decoded = bytearray()
        try:
            while data and not self._has_ended and len(decoded) < room:
                if self._inflate.eof:
                    # Other clients also ignore data after the last member.
                    self._has_ended = not (self._is_gzip and data[0] == 0x1F)
                    self._inflate = self._inflate if self._has_ended else zlib.decompressobj(31)
                else:
                    decoded += self._inflate.decompress(data, room - len(decoded))
                    data = self._inflate.unused_data
        except zlib.error as error:
            raise httpx2.DecodingError(str(error)) from error
        return bytes(decoded)

    def finish(self) -> None:
        """Check that nothing is missing."""
        if self._inflate is None or not self._inflate.eof:
            raise httpx2.DecodingError("The body is incomplete.")


def _has_header(data: bytes) -> bool:
    """Whether deflated data starts with the header of zlib."""
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
