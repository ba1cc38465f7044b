"""Writes the heads of requests in HTTP/1.1, tidies those of responses, and parses the waits that other servers request.

Each part of a request is checked directly before it is sent, because a line break in a header would begin another request.
"""

import email.utils
import re
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
