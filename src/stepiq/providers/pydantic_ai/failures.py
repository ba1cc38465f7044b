"""Converts exceptions of pydantic-ai to messages for the run's owner."""

from typing import TYPE_CHECKING

import httpx2

from stepiq.core.http.messages import bounded
from stepiq.providers.base import ProviderError
from stepiq.providers.failures import (
    Hide,
    broken_off,
    explain_reply,
    hiding,
    stopped,
    timed_out,
    unreachable,
)
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelHTTPError


def explain(
    error: Exception, place: FailurePlace, key: str | None, *, answering: bool, redact: Hide
) -> ProviderError | None:
    """Convert an exception; None if it is not one of the library. The arguments are those of `failures.explain`."""
    from pydantic_ai.exceptions import (
        ModelAPIError,
        ModelConnectionError,
        ModelHTTPError,
        ModelTimeoutError,
    )

    hide = hiding(key, redact)
    match error:
        case ModelHTTPError():
            return explain_reply(_reply_of(error), place, hide)
        case ModelConnectionError() if answering:
            return broken_off(place)
        case ModelTimeoutError():
            return timed_out(place)
        case ModelConnectionError():
            return unreachable(error, place)
        case _:
            pass
    if (reply := _reply_behind(error)) is not None:
        return explain_reply(reply, place, hide)
    if isinstance(error, ModelAPIError) and error.in_stream:
        return stopped(place, ProviderReply.read(200, {}, error.body).message or str(error), hide)
    return None


def _reply_of(error: "ModelHTTPError") -> ProviderReply:
    """The reply behind an exception, which may have occurred in the middle of a stream."""
    from pydantic_ai.exceptions import ModelQuotaExceededError

    given = {error.provider_error_code or "", error.provider_error_type or ""}
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    said = ProviderReply.read(error.status_code, headers, error.body)
    # Google sends the time to wait in the body, which the library parses.
    wait = said.retry_after or bounded(error.retry_after)
    is_used_up = isinstance(error, ModelQuotaExceededError)
    return ProviderReply(said.status, said.codes | given - {""}, said.message, wait, is_used_up)


def _reply_behind(error: Exception) -> ProviderReply | None:
    """The HTTP error that a library wraps without its status, as it does with redirects."""
    cause = error.__cause__
    response = getattr(cause, "response", None)
    if not isinstance(response, httpx2.Response) or response.status_code < 300:
        return None
    return ProviderReply.read(response.status_code, response.headers, getattr(cause, "body", None))
