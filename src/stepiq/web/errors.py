"""HTTP errors that every endpoint can return."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from stepiq.core.errors import (
    Conflict,
    Invalid,
    Issue,
    LimitReached,
    Malformed,
    NotFound,
    StepIQError,
    Unavailable,
    first_of,
)
from stepiq.core.json import Json

Current = Json | Callable[[], Json]
"""A state, or a function that computes it and may take seconds."""


class Stopping(Unavailable):
    """The server stopped before the response was ready."""

    code = "server_stopping"
    message = "The server is stopping. Try again in a moment."


class UnknownPath(NotFound):
    """No route has this path."""

    code = "unknown_path"


class MethodNotAllowed(StepIQError):
    """The path does not support this method."""

    code = "method_not_allowed"


class GrantRefused(StepIQError):
    """A program does not get the credential that it asks for.

    OAuth (RFC 6749, section 5.2) defines the status. Each subclass has a code.
    """


class PreconditionFailed(StepIQError):
    """`If-Match` names an old version: the pipeline was saved in the meantime."""

    code = "precondition_failed"

    def __init__(self, message: str, /, current: Current = None, **facts: object) -> None:
        super().__init__(message, **facts)
        self.current = current
        """The current state, for the response. A function is called in a thread, after the transaction has ended."""


class UnsupportedMediaType(StepIQError):
    """The route does not accept the content type of the body."""

    code = "unsupported_media_type"

    def __init__(self, found: str, accepted: Sequence[str]) -> None:
        listed = " or ".join(accepted)
        super().__init__(
            f"The content type `{found}` is not accepted here. Send {listed} in UTF-8."
            if found
            else f"The body has no content type. Send it with Content-Type: {listed}.",
            found=found,
        )


class BodyTooLarge(StepIQError):
    """The body is too large."""

    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes // 1024} KiB. Send a smaller one.")


class HeadersTooLarge(StepIQError):
    """The URL and the headers are too large."""

    code = "headers_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The URL and the headers are larger than {limit_bytes // 1024} KiB in total. Shorten the URL, or send fewer headers."
        )


class RequestTimeout(StepIQError):
    """The request arrived too slowly."""

    code = "request_timeout"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The body did not arrive within {seconds} seconds. Send it again.")


class RateLimited(LimitReached):
    """The credential or the workspace has reached the plan's limit of requests per minute."""

    code = "rate_limited"

    def __init__(self, limit: int, plan: str, setting: str, retry_after: timedelta) -> None:
        counted = (
            "for each credential" if setting == "requests_per_minute" else "for the whole workspace"
        )
        super().__init__(
            f"Plan `{plan}` allows {limit} requests per minute {counted}. Try again after the seconds in `Retry-After`. "
            f"An operator can raise the limit with `{setting}` under `[plans.{plan}]` in `stepiq.toml`.",
            retry_after,
            plan=plan,
            limit=limit,
        )


class BodyMissing(Malformed):
    """The route needs a body, and the request has none."""

    code = "body_missing"

    def __init__(self, accepted: Sequence[str] = ("application/json",)) -> None:
        super().__init__(f"The request has no body. Send {' or '.join(accepted)}.")


class MalformedQuery(Malformed):
    """The query string contains the character U+0000."""

    code = "malformed_query"


class InvalidBody(Invalid):
    """The body does not match the schema of the route."""

    code = "invalid_body"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(_summary("The body is not valid.", issues), issues)


class InvalidQuery(Invalid):
    """A parameter of the query string or a header is not valid."""

    code = "invalid_query"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(_summary("The parameters of the request are not valid.", issues), issues)


class CursorInvalid(Invalid):
    """The cursor does not belong to this list."""

    code = "cursor_invalid"
    message = "The cursor does not belong to this list. Send the `next_cursor` of the previous page, or no cursor for the first page."


class IdempotencyKeyInvalid(Invalid):
    """The `Idempotency-Key` is empty, too long, or has invisible characters."""

    code = "idempotency_key_invalid"
    message = "Idempotency-Key must have 1 to 255 visible ASCII characters. Use a new UUID for each new request."


class IdempotencyKeyReused(Invalid):
    """The `Idempotency-Key` was used for another request, by another member, or with other scopes."""

    code = "idempotency_key_reused"
    message = (
        "This Idempotency-Key was used within the last 24 hours with another body or query, by another member of the "
        "workspace, or with other scopes. Send exactly the same request, or use a new key."
    )


class IdempotencyInProgress(Conflict):
    """The first request with this `Idempotency-Key` is still in progress."""

    code = "idempotency_in_progress"
    retry_after = timedelta(seconds=1)
    message = "A request with this Idempotency-Key is still in progress. Send the same request again later to get its response."


class IdempotentAnswerLost(Conflict):
    """The request was executed, but its response cannot be sent again."""

    code = "idempotency_answer_lost"
    message = (
        "This request was executed, but its response was larger than 16 KiB and was not stored, or the server's signing "
        "key has changed since. Check what the request created. Use a new Idempotency-Key for new requests."
    )


def _summary(opening: str, issues: Sequence[Issue]) -> str:
    where = f"`{issues[0].path}`: " if issues[0].path else ""
    return f"{opening} {where}{first_of(issues)}"
