"""Parses the error replies of providers, each of which has its own format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

import jiter

from stepiq.core.http.messages import retry_after
from stepiq.redaction.masking import EXCERPT_CHARACTERS

_DEPTH = 4
"""Nesting levels that are searched for the message. This is enough for all vendors."""

_SENTENCES = ("error", "message", "detail")
_CODES = ("code", "type", "status", "reason")


@dataclass(frozen=True, slots=True)
class ProviderReply:
    """An error reply, in one format for all providers."""

    status: int
    codes: frozenset[str]
    """All codes, types and reasons in it: `insufficient_quota`, `RESOURCE_EXHAUSTED`, `1113`."""
    message: str
    """The provider's message; empty if it sent none, or a web page."""
    retry_after: timedelta | None = None
    is_used_up: bool = False
    """Whether a quota or a balance is exhausted, so that a short wait does not help."""

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], body: object) -> "ProviderReply":
        """Parse an HTTP reply; `headers` by lower-case name, `body` as text or decoded JSON."""
        if isinstance(body, str):
            body = _parsed(body)
        # Google's library wraps a body that it cannot parse, such as a truncated one, in a `message`.
        message = _object(body).get("message")
        if isinstance(message, str) and message.startswith("{"):
            body = _parsed(message)
        return cls(
            status, frozenset(_codes(body)), _words(body), retry_after(headers.get("retry-after"))
        )

    def has(self, *codes: str) -> bool:
        """Whether it contains one of these codes."""
        return not self.codes.isdisjoint(codes)


def _parsed(text: str) -> object:
    data = text.encode(errors="replace")
    try:
        return jiter.from_json(data)
    except ValueError:
        pass
    # It may be an error of which only the beginning was read.
    begun = _begun(data, partial_mode=True)
    if begun is None:
        return "" if text.lstrip().startswith("<") else text
    if not _words(begun):
        # Its last string may end inside a secret, so it is used only if it is so long that its end is not shown.
        last = _begun(data, partial_mode="trailing-strings")
        return last if len(_words(last)) > EXCERPT_CHARACTERS else begun
    return begun


def _begun(data: bytes, partial_mode: Literal[True, "trailing-strings"]) -> object:
    try:
        value: object = jiter.from_json(data, partial_mode=partial_mode)
    except ValueError:
        return None
    return cast("object", value) if isinstance(value, dict | list) else None


def _words(body: object, depth: int = 0) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        # Mistral's list of the errors in a request.
        return "; ".join(filter(None, map(_flaw, cast("list[object]", body))))
    content = _object(body) if depth < _DEPTH else {}
    said = (_words(content[name], depth + 1) for name in _SENTENCES if name in content)
    return next(filter(None, said), "")


def _flaw(flaw: object) -> str:
    content = _object(flaw)
    message, place = content.get("msg"), content.get("loc")
    if not isinstance(message, str) or not isinstance(place, list):
        return ""
    return f"{'.'.join(map(str, cast('list[object]', place)))}: {message}"


def _codes(body: object, depth: int = 0) -> Iterator[str]:
    content = _object(body)
    if not content or depth == _DEPTH:
        return
    for name in _CODES:
        if isinstance(value := content.get(name), str | int):
            yield str(value)
    details = content.get("details")
    inner = cast("list[object]", details) if isinstance(details, list) else []
    for each in (content.get("error"), *inner):
        yield from _codes(each, depth + 1)


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
