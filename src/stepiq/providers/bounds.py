"""Limits what a provider can send: the size of an error, of an answer, and of one event of an answer.

Also limits how often a process reads from its streams, so that thousands of them do not keep the event loop busy. Each
read costs about as much for one word as for a page. A stream that is read less often is read in larger parts.
"""

import asyncio
import time
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

import httpx2

from stepiq.core.concurrency.fairness import Owner, current_owner
from stepiq.providers.base import ProviderError
from stepiq.providers.places import FailurePlace


class ReadingPace:
    """The reads of all streams of a process. Owners that read have equal shares, and their streams share these."""

    def __init__(
        self,
        reads_per_second: float,
        *,
        saved_seconds: float,
        longest_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a pace without reads.

        Args:
            reads_per_second: The reads of all streams together, if nobody waits for `longest_seconds`.
            saved_seconds: After a rest, an owner can use its share of this time at once.
            longest_seconds: Nobody waits longer.
            now: A monotonic clock in seconds.
        """
        self._rate = reads_per_second
        self._saved = saved_seconds
        self._longest = longest_seconds
        self._now = now
        self._free_at: OrderedDict[Owner, float] = OrderedDict()
        """When each owner will have used its share for its reads so far. The one that has read last is last."""

    def read(self, owner: Owner) -> float:
        """Count a read of a stream of an owner. Returns how many seconds to wait before the next read of this stream."""
        now = self._now()
        # Owners that have saved all they can no longer have a share.
        while self._free_at and next(iter(self._free_at.values())) < now - self._saved:
            self._free_at.popitem(last=False)
        free_at = max(self._free_at.get(owner, 0.0), now - self._saved)
        owners = len(self._free_at) + (owner not in self._free_at)
        self._free_at[owner] = min(free_at + owners / self._rate, now + self._longest)
        self._free_at.move_to_end(owner)
        return max(0.0, self._free_at[owner] - now)


MAX_ANSWER_BYTES = 1024 * 1024
"""Longest text of one answer, in UTF-8."""
MAX_ERROR_BYTES = 8 * 1024
"""Largest part of an error that is read. 2,000 characters of its message are used. Google sends the time to wait at the
end of an error, after two or three kB."""
MAX_REPLY_BYTES = 256 * 1024 * 1024
"""Largest answer in its protocol: providers send about 300 bytes for each token."""
MAX_EVENT_BYTES = 2 * 1024 * 1024
"""Longest event of a reply. An empty line ends an event. The libraries parse a whole event on the event loop."""
MAX_EVENT_LINES = 100
"""Most ends of lines in an event. Providers send two or three lines. Anthropic's library copies what it has of an event
for each line: with 1,000 lines of 2 MiB, it would block the event loop for half a second."""
MAX_LISTING_BYTES = 4 * 1024 * 1024
"""Largest list of models, which is one JSON document."""
MAX_TOKENS = 1_000_000_000
"""Most tokens that a provider can report for a call. A larger number is an error of the provider."""

_PACE = ReadingPace(1_000, saved_seconds=0.1, longest_seconds=5.0)
"""Of all answers of this process."""
_PIECE_BYTES = 16 * 1024
_FIRST_ERROR_STATUS = 300
_EVENT_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
_PLAIN = frozenset({"", "identity"})


def bound(reply: httpx2.Response, place: FailurePlace) -> None:
    """Limit a reply whose body has not been read.

    Raises:
        ProviderError: the reply is compressed. A small compressed text can become a very large one.
    """
    encoding = reply.headers.get("content-encoding", "").strip().lower()
    if encoding not in _PLAIN:
        raise ProviderError(
            "provider_error",
            f"{place.subject} sent a compressed answer (`Content-Encoding: {encoding[:20]}`), which was not requested. If"
            " a proxy compresses its answers, switch this off.",
            status=reply.status_code,
        )
    # Without this, libraries would look up any encoding that the provider names. Python caches unknown names forever,
    # and some encodings take minutes to decode.
    reply.encoding = "utf-8"
    stream = cast(httpx2.AsyncByteStream, reply.stream)
    if reply.status_code >= _FIRST_ERROR_STATUS:
        reply.stream = _Beginning(stream)
    elif reply.request.method == "GET":
        reply.stream = _Listing(stream, place)
    else:
        reply.stream = _Limited(stream, place)


def answer_too_large(place: FailurePlace) -> ProviderError:
    """The text of an answer exceeds its limit."""
    return ProviderError(
        "output_too_large",
        f"The answer of {place.subject} is larger than {MAX_ANSWER_BYTES:,} bytes. Set a lower `max_tokens`, or ask for"
        " a shorter answer.",
    )


def _event_too_large(place: FailurePlace) -> ProviderError:
    return ProviderError(
        "output_too_large",
        f"An event in the answer of {place.subject} is larger than {MAX_EVENT_BYTES:,} bytes, or has more than"
        f" {MAX_EVENT_LINES:,} lines, which is more than stepIQ reads. Try again, or use another model.",
    )


def _listing_too_large(place: FailurePlace) -> ProviderError:
    return ProviderError(
        "provider_error",
        f"The list of models of {place.subject} is larger than {MAX_LISTING_BYTES:,} bytes, which is more than stepIQ"
        f" reads. Check that {place.url} is the address of a server that speaks {place.protocol}.",
    )


def checked_tokens(place: FailurePlace, **counts: object) -> None:
    """Check the numbers of tokens that a provider reports.

    Raises:
        ProviderError: one of them is not a whole number between 0 and `MAX_TOKENS`.
    """
    for name, count in counts.items():
        if type(count) is not int or not 0 <= count <= MAX_TOKENS:
            raise impossible_tokens(place, name.replace("_", " "))


def impossible_tokens(place: FailurePlace, what: str = "tokens") -> ProviderError:
    """A provider reports a number of tokens that no call can use."""
    return ProviderError(
        "provider_error",
        f"{place.subject} reported an impossible number of {what}. This is a problem of the provider. Use another"
        " `model`, or ask the provider.",
        status=200,
    )


class _Pieces(httpx2.AsyncByteStream):
    """Splits a body into small pieces, and reads them at the pace of all bodies.

    So neither a fast provider nor many of them block the event loop.
    """

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        owner = current_owner()
        chunks = cast(AsyncGenerator[bytes], aiter(self._stream))
        async with aclosing(chunks):
            async for chunk in chunks:
                for start in range(0, len(chunk), _PIECE_BYTES):
                    piece = self.take(chunk[start : start + _PIECE_BYTES])
                    if piece is None:
                        return
                    yield piece
                    await asyncio.sleep(0)
                # The parts of a fast answer are large enough.
                if len(chunk) < _PIECE_BYTES and (pause := _PACE.read(owner)):
                    await asyncio.sleep(pause)

    @abstractmethod
    def take(self, piece: bytes) -> bytes | None:
        """Return the part of a piece to pass on; None ends the body."""

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Beginning(_Pieces):
    """The beginning of an error. The rest is not read."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        super().__init__(stream)
        self._left = MAX_ERROR_BYTES

    def take(self, piece: bytes) -> bytes | None:
        kept = piece[: self._left]
        self._left -= len(kept)
        return kept or None


class _Listing(_Pieces):
    """A list of models. Raises an error if it exceeds its limit."""

    def __init__(self, stream: httpx2.AsyncByteStream, place: FailurePlace) -> None:
        super().__init__(stream)
        self._place = place
        self._left = MAX_LISTING_BYTES

    def take(self, piece: bytes) -> bytes | None:
        self._left -= len(piece)
        if self._left < 0:
            raise _listing_too_large(self._place)
        return piece


class _Limited(_Pieces):
    """An answer. Raises an error if it exceeds its limits."""

    def __init__(self, stream: httpx2.AsyncByteStream, place: FailurePlace) -> None:
        super().__init__(stream)
        self._place = place
        self._total = 0
        self._event = 0
        self._lines = 0
        self._before = b""

    def take(self, piece: bytes) -> bytes | None:
        self._total += len(piece)
        # An empty line may have begun in the previous piece.
        recent = self._before + piece
        ended = max(
            (at + len(end) for end in _EVENT_ENDS if (at := recent.rfind(end)) >= 0), default=0
        )
        rest = recent[ended:] if ended else piece
        lines = rest.count(b"\n") + rest.count(b"\r")
        self._event = len(rest) if ended else self._event + len(rest)
        self._lines = lines if ended else self._lines + lines
        self._before = recent[-2:]
        if self._total > MAX_REPLY_BYTES:
            raise answer_too_large(self._place)
        if self._event > MAX_EVENT_BYTES or self._lines > MAX_EVENT_LINES:
            raise _event_too_large(self._place)
        return piece
