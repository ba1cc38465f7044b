"""The time limit of a request for all its transactions together, so that it reports an outage within five seconds."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_ANSWER_SECONDS = 3.5
"""How long all transactions of a request on PostgreSQL may take, including the waits for a connection."""
_LEAST_SECONDS = 0.5
"""What a transaction gets in any case: if the machine is slow, the ones before may have used the time successfully."""


class AnswerTime:
    """What is left of the time of one request."""

    def __init__(self) -> None:
        self._left: float | None = _ANSWER_SECONDS

    @property
    def left(self) -> float:
        """Seconds that the next transaction may take."""
        return _ANSWER_SECONDS if self._left is None else max(_LEAST_SECONDS, self._left)

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
