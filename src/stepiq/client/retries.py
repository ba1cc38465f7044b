"""When a request is repeated after a failure, and after how long."""

import os
import random
import socket
import ssl
from typing import cast

import httpx2

from stepiq.client.errors import (
    ApiError,
    ClientError,
    RateLimitError,
    RequestTimeoutError,
    ServerUnreachableError,
)
from stepiq.client.requests import ApiRequest

LONGEST_WAIT = 60.0
"""If the server wants a longer pause, the call fails at once."""

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_TEMPORARY = frozenset({502, 503, 504})
_IN_PROGRESS = "idempotency_in_progress"
"""An earlier attempt with the same `Idempotency-Key` is still being executed."""

_random = random.SystemRandom()


def pause_before_repeating(
    request: ApiRequest, failure: ClientError, *, repeats: int, max_retries: int
) -> float | None:
    """Seconds to wait before the next attempt; None if the call has failed.

    Args:
        request: the request.
        failure: of the last attempt.
        repeats: how often the request was repeated before.
        max_retries: how often it may be repeated.
    """
    if repeats >= max_retries or not _is_temporary(request, failure):
        return None
    wanted = failure.retry_after if isinstance(failure, ApiError) else None
    if wanted is None:
        return backoff(repeats)
    return None if wanted > LONGEST_WAIT else wanted + _random.uniform(0, _FIRST_PAUSE)


def backoff(repeats: int) -> float:
    """A random pause that doubles with each attempt, so that clients do not come back all at once."""
    most = min(_FIRST_PAUSE * 2.0 ** min(repeats, 16), _LONGEST_PAUSE)
    return _random.uniform(most / 2, most)


def _is_temporary(request: ApiRequest, failure: ClientError) -> bool:
    match failure:
        case ServerUnreachableError():
            return request.can_repeat or not failure.was_sent
        case RateLimitError():
            return True
        case ApiError():
            if failure.code == _IN_PROGRESS:
                return True
            return request.can_repeat and failure.status in _TEMPORARY
        case _:
            return False


def failure_of(error: httpx2.RequestError, server: str, timeout: float) -> ServerUnreachableError:
    """The error of the library for a failure of the HTTP client."""
    was_sent = not isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
    )
    if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout | httpx2.PoolTimeout):
        message = f"{server} did not respond within {timeout:g} seconds."
        return RequestTimeoutError(message, was_sent=was_sent)
    message = f"{server} cannot be reached: {_reason(error).removesuffix('.')}."
    return ServerUnreachableError(message, was_sent=was_sent)


def _reason(error: httpx2.RequestError) -> str:
    """The reason of the operating system, if there is one. The HTTP client has its own words for it."""
    if isinstance(error, httpx2.ConnectTimeout):
        return "it did not accept the connection in time"
    cause: BaseException | None = error if isinstance(error, httpx2.ConnectError) else None
    while cause is not None:
        match cause:
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
                return "it does not use TLS, so its URL begins with http://"
            case ssl.SSLError():
                break
            case socket.gaierror(strerror=str(text)):
                return text
            case OSError(errno=int(number)):
                return os.strerror(number)
            case _:
                cause = _cause(cause)
    return str(error) or type(error).__name__


def _cause(error: BaseException) -> BaseException | None:
    found = error.__cause__ or error.__context__
    if isinstance(found, BaseExceptionGroup):
        # One for each address of the server.
        return cast("BaseExceptionGroup[BaseException]", found).exceptions[0]
    return found
