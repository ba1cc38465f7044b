"""Writes the heads of requests in HTTP/1.1.

Each part is checked directly before it is sent, because a line break in a header would begin another request.
"""

import re
from dataclasses import dataclass

import httpx2

_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"\d{1,18}")
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
