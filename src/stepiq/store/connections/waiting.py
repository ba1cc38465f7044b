"""How long a transaction may wait, and which one gets a connection next.

The transactions of a request have one time limit together, so that it reports an outage within five seconds.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar

from stepiq.core.concurrency.fairness import FairSemaphore, Owner, current_owner

ANSWER_SECONDS = 3.5
"""How long all transactions of a request on PostgreSQL may take, including the waits for a connection."""
_LEAST_SECONDS = 0.5
"""What a transaction gets in any case: if the machine is slow, the ones before may have used the time successfully."""


class AnswerTime:
    """What is left of the time of one request."""

    def __init__(self) -> None:
        self._left: float | None = ANSWER_SECONDS

    @property
    def left(self) -> float:
        """Seconds that the next transaction may take."""
        return ANSWER_SECONDS if self._left is None else max(_LEAST_SECONDS, self._left)

    def spend(self, seconds: float) -> None:
        """Count the time of a transaction."""
        if self._left is not None:
            self._left -= seconds

    def end(self) -> None:
        """Stop counting, because the response has begun: a stream may read for hours."""
        self._left = None


_current: ContextVar[AnswerTime | None] = ContextVar("answer_time", default=None)


@contextmanager
def answering() -> Generator[AnswerTime]:
    """Count the time of all transactions in this block, and in tasks that it creates, until `AnswerTime.end`."""
    answer_time = AnswerTime()
    token = _current.set(answer_time)
    try:
        yield answer_time
    finally:
        # Tasks that the request has created may outlive it.
        answer_time.end()
        _current.reset(token)


def is_answering() -> bool:
    """Whether the current task acts for a request."""
    return _current.get() is not None


def current() -> AnswerTime:
    """The answer time of the request for which the current task acts. Outside of requests, a new one."""
    return _current.get() or AnswerTime()


_READY = 2
"""Transactions of a group that can wait for the writer at once. With one, the writer would be idle after each of them."""


def _owner() -> Owner:
    # The server's own transactions combine work for many workspaces, so each of them is a separate owner. So is each
    # transaction before a request is authenticated.
    return current_owner() or object()


class SharedPlaces:
    """Several places. Workspaces take turns."""

    def __init__(
        self, size: int, share: int | None = None, within: "SharedPlaces | None" = None
    ) -> None:
        """Create places, of which one workspace has at most `share`. Each of them also takes a place of `within`."""
        self._places = FairSemaphore(size, share=share, counts_use=False)
        self._within = within

    @asynccontextmanager
    async def place(self, *, urgent: bool = False) -> AsyncGenerator[None]:
        """Wait for a place, and release it at the end. Urgent callers get every second place of their workspace."""
        outer = nullcontext() if self._within is None else self._within.place(urgent=urgent)
        async with self._places.place(_owner(), urgent=urgent), outer:
            yield


class WriterPlace:
    """One place. Requests take turns with all other work, and in both groups, workspaces take turns.

    The other work has a handful of transactions at a time, each of which combines what waits at that moment. A workspace
    can send many requests at once. If each transaction or workspace had the same share, either a few requests would get
    little, or many workspaces would delay all runs.
    """

    def __init__(self) -> None:
        self._writer = FairSemaphore(1, counts_use=False)
        self._requests = SharedPlaces(_READY)
        self._other_work = SharedPlaces(_READY)

    @asynccontextmanager
    async def place(self, *, urgent: bool = False) -> AsyncGenerator[None]:
        """Wait for the place, and release it at the end. Urgent callers get every second turn of their workspace."""
        group = self._requests if is_answering() else self._other_work
        async with group.place(urgent=urgent), self._writer.place(group):
            yield
