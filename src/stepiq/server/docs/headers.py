"""The headers of requests and answers in the API's document."""

from typing import Any, Final

from stepiq.server.routes import Route
from stepiq.web.errors import IdempotencyInProgress

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}

COMPONENTS: Final[dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's id, in the server's log too: the one that was sent in this header, or a new one.",
        "required": True,
        "schema": _TEXT,
        "example": "0192f0c5-1d39-7a01-9d2c-3b5e7f901a08",
    },
    "RateLimit-Limit": {
        "description": "Requests that the plan allows in a minute with one credential; not sent on a plan without a limit.",
        "schema": _COUNT,
        "example": 300,
    },
    "RateLimit-Remaining": {
        "description": "Requests that are left of it.",
        "schema": _COUNT,
        "example": 299,
    },
    "RateLimit-Reset": {
        "description": "Seconds until the whole limit is there again.",
        "schema": _COUNT,
        "example": 42,
    },
    "RateLimit-Policy": {
        "description": "The limit, and its period in seconds.",
        "schema": _TEXT,
        "example": "300;w=60",
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is sent again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 42,
    },
    "WWW-Authenticate": {
        "description": "The scheme of credentials that is asked for.",
        "schema": _TEXT,
        "example": 'Bearer realm="stepiq"',
    },
    "Idempotent-Replayed": {
        "description": "`true` on the answer to a request that was answered before, with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "Allow": {
        "description": "The methods that the path has.",
        "schema": _TEXT,
        "example": "GET, POST",
    },
    "ETag": {
        "description": "The pipeline's version, to be sent as `If-Match` with the next change.",
        "schema": _TEXT,
        "example": '"v3"',
    },
    "Cache-Control": {
        "description": "How long the answer may be kept.",
        "schema": _TEXT,
        "example": "public, max-age=300",
    },
}
"""Each header with its meaning, for `components`."""

IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new one for each thing to be made: sent again within 24 hours with the same body and query, it gets "
    "the same answer, marked `Idempotent-Replayed: true`, and has no effect.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

_RATE: Final = tuple(name for name in COMPONENTS if name.startswith("RateLimit-"))
# These come before a credential has been checked, and so before its rate is known.
_BEFORE_RATE: Final = frozenset({"401", "408", "413", "431"})
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
    """Name the headers of every answer of an operation, and spell those of its request as everybody does."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":
            parameter["name"] = _NAMES.get(parameter["name"], parameter["name"])
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            refer(response, *_names(status, response, route))


def refer(response: dict[str, Any], *names: str) -> None:
    """Have an answer carry these headers, and the request's id."""
    headers: dict[str, Any] = response.setdefault("headers", {})
    for name in ("X-Request-ID", *names):
        headers[name] = {"$ref": f"#/components/headers/{name}"}


def of_status(status: str) -> tuple[str, ...]:
    """The headers that every answer with a status has."""
    return _BY_STATUS.get(status, ())


def _names(status: str, response: dict[str, Any], route: Route) -> tuple[str, ...]:
    names = of_status(status)
    if not route.access.is_public and status not in _BEFORE_RATE:
        names += _RATE
    if route.takes_key and status < "300":
        names += ("Idempotent-Replayed",)
    if status == "409" and IdempotencyInProgress.code in str(response["content"]):
        names += ("Retry-After",)
    return names
