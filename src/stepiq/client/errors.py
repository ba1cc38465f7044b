"""The errors of the client library. `ClientError` is the base class of all of them."""

import json
from collections.abc import Mapping
from typing import Any, cast

_EXCERPT = 200


class ClientError(Exception):
    """A call failed. `code` is a stable name, `message` a sentence for people."""

    code = "client_error"

    def __init__(
        self, message: str, *, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        """The id of the request in the log of the server. None if there is no response."""
        self._status = status

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, without the other arguments of its constructor.
        return _restored, (type(self), self.args), vars(self)

    @property
    def status(self) -> int | None:
        """The HTTP status. None if there is no response."""
        return self._status


def _restored(kind: type[ClientError], args: tuple[Any, ...]) -> ClientError:
    return kind.__new__(kind, *args)


class ConfigurationError(ClientError):
    """An argument or an environment variable is missing or invalid. Nothing was sent."""

    code = "configuration_invalid"


class ServerUnreachableError(ClientError):
    """The connection to the server failed, or was lost before the response was complete."""

    code = "server_unreachable"

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent
        """False if the server has certainly not received the request."""


class RequestTimeoutError(ServerUnreachableError):
    """The server did not respond within `timeout`."""

    code = "timeout"


class ResponseInvalidError(ClientError):
    """The response is not one of this API, for example because another program listens at the URL."""

    code = "response_invalid"


class RunTimeoutError(ClientError):
    """A run did not end within the `timeout` of `wait`. The run continues."""

    code = "run_timeout"

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class WebhookInvalidError(ClientError):
    """A request is not a webhook that the server has signed with one of the secrets, or it is too old."""

    code = "webhook_invalid"


class ApiError(ClientError):
    """The server returned an error. Its subclasses are the families of HTTP statuses."""

    code = "unknown"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        headers: Mapping[str, str],
        problem: Mapping[str, Any],
    ) -> None:
        super().__init__(message, status=status, request_id=headers.get("x-request-id"))
        self._of_response = status
        self.code = code
        self.headers = headers
        """The headers of the response, with names in lower case."""
        self.problem = problem
        """The whole JSON body of the response."""

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.code})"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._of_response

    @property
    def errors(self) -> list[dict[str, Any]]:
        """All problems of a body or a definition: `path`, `code`, `message`, `line` and `column` of each."""
        found = self.problem.get("errors")
        return cast("list[dict[str, Any]]", found) if isinstance(found, list) else []

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the server wants the request again. None if it does not say so."""
        try:
            return max(0.0, float(self.headers.get("retry-after", "")))
        except ValueError:
            return None


class BadRequestError(ApiError):
    """400, or another status for a request that the server cannot read."""


class AuthenticationError(ApiError):
    """401: the credential is missing or not valid."""


class PermissionDeniedError(ApiError):
    """403: the plan, the role, the scope or the kind of credential does not allow the request."""


class NotFoundError(ApiError):
    """404: the object does not exist, or belongs to another workspace."""


class ConflictError(ApiError):
    """409: the current state does not allow the request."""


class PreconditionFailedError(ApiError):
    """412: there is a newer version. `current` is its state."""

    @property
    def current(self) -> Any:
        """The current state; None if there is none."""
        return self.problem.get("current")


class UnprocessableError(ApiError):
    """422: the request is invalid. `errors` lists all problems."""


class RateLimitError(ApiError):
    """429: a limit is reached. Repeat the request after `retry_after` seconds."""


class ServerError(ApiError):
    """500 or higher: the server, or a proxy before it, failed."""


_OF_STATUS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionFailedError,
    422: UnprocessableError,
    429: RateLimitError,
}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error of a response that is not a success. `headers` have names in lower case."""
    problem = _problem(body)
    kind = _OF_STATUS.get(status) or (ServerError if status >= 500 else BadRequestError)
    code, detail = problem.get("code"), problem.get("detail")
    if not isinstance(code, str) or not isinstance(detail, str):
        code, detail = "unknown", _unknown(status, headers, body)
    return kind(detail, status=status, code=code, headers=headers, problem=problem)


def _problem(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _unknown(status: int, headers: Mapping[str, str], body: bytes) -> str:
    if 300 <= status < 400:
        target = headers.get("location", "another URL")
        return f"The server redirects to {target}. Use the URL of the server itself."
    if headers.get("content-type", "").startswith("text/html"):
        return f"The server returned the status {status} and a web page. Is this the URL of a stepIQ server?"
    text = " ".join(body.decode(errors="replace").split())[:_EXCERPT]
    return f"The server returned the status {status}" + (f": {text}" if text else ".")
