"""HTTP/1.1: writes the heads of requests, and reads the heads, bodies and requested waits of responses.

Each part of a request is checked directly before it is sent, because a line break in a header would begin another request.
"""

import email.utils
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, timedelta

import httpx2

from stepiq.core import clock

_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"\d{1,18}")
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_UNTIDY = re.compile(rb"(?<![ \t])(?:((?:[ \t]*+\r?\n[ \t]++)++)|[ \t]++(?=\r?\n))")
"""Line breaks before lines that continue the one above, or white space at the end of a line."""
_NOT_REUSED = frozenset({b"CONNECT", b"HEAD"})
"""The parser cannot know that the response to HEAD has no body. After CONNECT, a connection can be a tunnel."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The request line and headers, and how the body is sent."""

    data: bytes
    length: int | None
    """Size of the body in bytes; None if it is sent in chunks."""
    is_head: bool
    """Whether the response has no body, although its headers can describe one."""
    can_reuse: bool
    """Whether the connection can be used for another request afterward."""

    @classmethod
    def of(cls, request: httpx2.Request) -> "RequestHead":
        """Write the head of a request.

        Raises:
            httpx2.LocalProtocolError: the method, target or a header is not valid HTTP.
        """
        method, target = request.method.encode(), request.url.raw_path
        if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
            raise httpx2.LocalProtocolError("The method or the target is not valid HTTP.")
        lines = [b"%b %b HTTP/1.1" % (method, target)]
        lengths: list[int | None] = []
        can_reuse = method not in _NOT_REUSED
        for name, value in request.headers.raw:
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise httpx2.LocalProtocolError("A header is not valid HTTP.")
            lines.append(b"%b: %b" % (name, value))
            match name.lower():
                case b"content-length" if _LENGTH.fullmatch(value):
                    lengths.append(int(value))
                case b"transfer-encoding" if value == b"chunked":
                    lengths.append(None)
                case b"content-length" | b"transfer-encoding":
                    raise httpx2.LocalProtocolError("The length of the body is invalid.")
                case b"connection" if value.lower() == b"close":
                    can_reuse = False
                case _:
                    pass
        if len(lengths) > 1:
            raise httpx2.LocalProtocolError("The length of the body is ambiguous.")
        data = b"\r\n".join([*lines, b"", b""])
        return cls(data, lengths[0] if lengths else 0, method == b"HEAD", can_reuse)


def is_untidy(head: bytes | bytearray) -> bool:
    """Whether a head has folded lines, or lines that end with white space."""
    return _UNTIDY.search(head) is not None


def tidied(data: bytes) -> bytes:
    """A response with its folded lines joined, as RFC 9112 requires, and without white space at the ends of lines.

    It is empty if the head is not complete.
    """
    end = _END_OF_HEAD.search(data)
    if end is None:
        return b""
    head = _UNTIDY.sub(lambda found: b" " if found[1] else b"", data[: end.start() + 1])
    return head + data[end.start() + 1 :]


LONGEST = timedelta(hours=1)
"""Longer waits are reduced to this."""


def retry_after(value: str | None) -> timedelta | None:
    """The wait in a `Retry-After` header, which has seconds or an HTTP date; at most an hour.

    None if the header is missing, invalid or in the past.
    """
    if value is None:
        return None
    try:
        return bounded(float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - clock.now()
    return min(wait, LONGEST) if wait > timedelta(0) else None


def bounded(seconds: float | None) -> timedelta | None:
    """A wait of so many seconds, at most an hour; None if the number is missing, not positive or not finite."""
    # A comparison with NaN is false.
    if seconds is None or not 0 < seconds < float("inf"):
        return None
    return min(timedelta(seconds=min(seconds, 1e6)), LONGEST)


_GZIP = frozenset({"gzip", "x-gzip"})
_AS_IT_IS = frozenset({"", "identity"})
DECODED = _AS_IT_IS | _GZIP | {"deflate"}
"""The encodings that can be read. The size of nested encodings can grow a thousandfold at each level."""


def encoding_of(response: httpx2.Response) -> str:
    """The `Content-Encoding` of a response; empty if it has none."""
    return response.headers.get("content-encoding", "").strip().lower()


async def read_body(response: httpx2.Response, max_bytes: int) -> tuple[bytes, bool]:
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
