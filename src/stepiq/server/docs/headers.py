"""The headers of requests and responses in the OpenAPI document."""

from typing import Any, Final

from stepiq.server.routes import Route
from stepiq.web.errors import IdempotencyInProgress

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}

COMPONENTS: Final[dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Id of the request, also in the server's log. The server uses the id sent in this header, or creates one.",
        "required": True,
        "schema": _TEXT,
        "example": "0192f0c5-1d39-7a01-9d2c-3b5e7f901a08",
    },
    "RateLimit-Limit": {
        "description": "Requests per minute that the plan allows for one credential. Absent if the plan has no limit.",
        "schema": _COUNT,
        "example": 300,
    },
    "RateLimit-Remaining": {
        "description": "Requests left in this minute.",
        "schema": _COUNT,
        "example": 299,
    },
    "RateLimit-Reset": {
        "description": "Seconds until the limit is fully restored.",
        "schema": _COUNT,
        "example": 42,
    },
    "RateLimit-Policy": {
        "description": "The limit and its period in seconds.",
        "schema": _TEXT,
        "example": "300;w=60",
    },
    "Retry-After": {
        "description": "Seconds to wait before sending the request again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 42,
    },
    "WWW-Authenticate": {
        "description": "The required authentication scheme.",
        "schema": _TEXT,
        "example": 'Bearer realm="stepiq"',
    },
    "Idempotent-Replayed": {
        "description": "`true` if this is the saved response to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "Allow": {
        "description": "The methods that the path supports.",
        "schema": _TEXT,
        "example": "GET, POST",
    },
    "Set-Cookie": {
        "description": "The session cookie, or its removal.",
        "schema": _TEXT,
        "example": "stepiq_session=…; HttpOnly; Max-Age=2592000; Path=/; SameSite=strict",
    },
    "ETag": {
        "description": "The pipeline's version. Send it as `If-Match` with the next change.",
        "schema": _TEXT,
        "example": '"v3"',
    },
    "Cache-Control": {
        "description": "How long clients may cache the response.",
        "schema": _TEXT,
        "example": "public, max-age=300",
    },
}
"""The headers for `components`, by name."""

IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A unique key for each new request. The same request with the same key within 24 hours has no effect and "
    "returns the saved response, marked `Idempotent-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

_COOKIE_PATH: Final = "/api/session"
RATE: Final = tuple(name for name in COMPONENTS if name.startswith("RateLimit-"))
"""The document's description says once that other responses have them too: listing them there would take 25 KB."""
_BY_STATUS: Final = {
    "401": ("WWW-Authenticate",),
    "405": ("Allow",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
_NAMES: Final = {
    name.lower(): name
    for name in ("If-Match", "If-None-Match", "Last-Event-ID", "Accept", "X-API-Key")
}


def complete(operation: dict[str, Any], route: Route) -> None:
    """Add the headers of every response of an operation, and spell its request headers in the usual way."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":
            parameter["name"] = _NAMES.get(parameter["name"], parameter["name"])
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            refer(response, *_names(status, response, route))


def refer(response: dict[str, Any], *names: str) -> None:
    """Add references to these headers to a response."""
    if names:
        headers: dict[str, Any] = response.setdefault("headers", {})
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def of_status(status: str) -> tuple[str, ...]:
    """The headers of every response with a status."""
    return _BY_STATUS.get(status, ())


def _names(status: str, response: dict[str, Any], route: Route) -> tuple[str, ...]:
    names = of_status(status)
    if not route.access.is_public and status == "429":
        names += RATE
    if route.replays and status < "300":
        names += ("Idempotent-Replayed",)
    if route.path == _COOKIE_PATH and status < "300":
        names += ("Set-Cookie",)
    if status == "409" and IdempotencyInProgress.code in str(response["content"]):
        names += ("Retry-After",)
    return names
