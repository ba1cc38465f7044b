"""Errors of the protocol itself, whatever the endpoint."""

from collections.abc import Sequence
from datetime import timedelta

from stepiq.core.errors import Invalid, Issue, LimitReached, Malformed, NotFound, StepIQError


class UnknownPath(NotFound):
    """No route answers under this path."""

    code = "unknown_path"


class MethodNotAllowed(StepIQError):
    """The path exists, but not with this method; the `Allow` header lists those that it has."""

    code = "method_not_allowed"


class PreconditionFailed(StepIQError):
    """`If-Match` names a version that is no longer the newest: somebody else has saved in between."""

    code = "precondition_failed"


class UnsupportedMediaType(StepIQError):
    """The body has a content type that this route does not read."""

    code = "unsupported_media_type"

    def __init__(self, found: str, accepted: Sequence[str]) -> None:
        listed = " or ".join(accepted)
        super().__init__(
            f"The body has content type `{found}`. Send {listed} in UTF-8."
            if found
            else f"The body has no content type. Send it with Content-Type: {listed}.",
            found=found,
        )


class BodyTooLarge(StepIQError):
    """The body is larger than the server reads."""

    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes // 1024} KiB. Send less at a time.")


class HeadersTooLarge(StepIQError):
    """Request line and headers are larger than the server reads."""

    code = "headers_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Address and headers are together larger than {limit_bytes // 1024} KiB.")


class RequestTimeout(StepIQError):
    """The request did not arrive in time."""

    code = "request_timeout"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The body did not arrive within {seconds} seconds. Send it again.")


class RateLimited(LimitReached):
    """The credential has made as many requests in this minute as its plan allows."""

    code = "rate_limited"

    def __init__(self, limit: int, plan: str, retry_after: timedelta) -> None:
        super().__init__(
            f"Plan `{plan}` allows {limit} requests a minute with one credential. Wait as many seconds as Retry-After "
            f"says. An operator raises it with `requests_per_minute` under [plans.{plan}] in stepiq.toml.",
            retry_after,
            plan=plan,
            limit=limit,
        )


class BodyMissing(Malformed):
    """The route needs a body and there is none."""

    code = "body_missing"

    def __init__(self, accepted: Sequence[str] = ("application/json",)) -> None:
        super().__init__(f"This route needs a body. Send {' or '.join(accepted)}.")


class MalformedQuery(Malformed):
    """The query string holds something that cannot be stored or compared."""

    code = "malformed_query"


class InvalidBody(Invalid):
    """The body is JSON but not of the shape that the route takes; `errors` lists every place."""

    code = "invalid_body"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(_summary("The body cannot be accepted.", issues), issues)


class InvalidQuery(Invalid):
    """Parameters of the query string or headers cannot be accepted; `errors` lists every one."""

    code = "invalid_query"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(_summary("The request's parameters cannot be accepted.", issues), issues)


class CursorInvalid(Invalid):
    """The cursor did not come from a page of this list."""

    code = "cursor_invalid"

    def __init__(self) -> None:
        super().__init__(
            "The cursor is not one of this list. Use `next_cursor` as the last page gave it, or none."
        )


def _summary(opening: str, issues: Sequence[Issue]) -> str:
    if len(issues) == 1 and issues[0].path:
        return f"{opening} {issues[0].path}: {issues[0].message}"
    return f"{opening} {len(issues)} things are wrong." if len(issues) > 1 else opening
