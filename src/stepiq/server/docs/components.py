"""The components of the OpenAPI document: what several operations refer to, instead of a copy in each."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, NamedTuple, cast

from stepiq.accounts.errors import (
    CredentialInvalid,
    CredentialMissing,
    CrossSiteRequest,
    CsrfTokenInvalid,
    NoWorkspace,
    WorkspaceNotFound,
)
from stepiq.core.errors import StepIQError
from stepiq.core.json import MalformedJson
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted
from stepiq.server.connections.limits import ServerFull, TooManyConnections
from stepiq.server.connections.protocol import NotHttp
from stepiq.server.routes import Route
from stepiq.store.database import StoreUnavailable
from stepiq.web.errors import (
    BodyMissing,
    BodyTooLarge,
    HeadersTooLarge,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentAnswerLost,
    MalformedQuery,
    MethodNotAllowed,
    RateLimited,
    RequestTimeout,
    UnknownPath,
    UnsupportedMediaType,
)
from stepiq.web.problems import MEDIA_TYPE, bug, problems

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


_GROUPS: Final[dict[str, tuple[type[StepIQError], ...]]] = {
    "IdempotencyKeyRefused": (IdempotencyKeyInvalid, IdempotencyKeyReused),
    "IdempotencyConflict": (IdempotencyInProgress, IdempotentAnswerLost),
    "PlanExhausted": (PlanRunsExhausted, PlanCreditsExhausted),
}
"""Names of errors that often occur together. A group that contains another one comes before it."""
ANY_ERROR: Final = "AnyError"
"""Name of the response for errors of any route. Listing them at each route would take half of the document."""
_ANY_ROUTE: Final[tuple[type[StepIQError], ...]] = (
    NotHttp,
    MalformedQuery,
    MalformedJson,
    BodyMissing,
    CredentialMissing,
    CredentialInvalid,
    CrossSiteRequest,
    CsrfTokenInvalid,
    WorkspaceNotFound,
    NoWorkspace,
    UnknownPath,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    RateLimited,
    TooManyConnections,
    HeadersTooLarge,
    StoreUnavailable,
    ServerFull,
)
_ANY_HEADERS: Final = ("X-Request-ID", "WWW-Authenticate", "Allow", "Retry-After", *RATE)
_SHARED: Final = ("parameters", "examples", "responses")


class _Place(NamedTuple):
    """A value of the document that can become a component."""

    holder: Any
    key: Any
    name: str
    """Of the component."""


def any_error() -> dict[str, Any]:
    """The response for errors of any route, by its name, with an example of each error."""
    made = bug()
    examples: dict[str, Any] = {}
    for response in problems(*_ANY_ROUTE).values():
        examples |= response["content"][MEDIA_TYPE]["examples"]
    made["content"][MEDIA_TYPE]["examples"] = examples | made["content"][MEDIA_TYPE]["examples"]
    made["description"] = (
        "Any other error. `code` says which; the examples list those of any route."
    )
    refer(made, *_ANY_HEADERS)
    return {ANY_ERROR: made}


def share(document: dict[str, Any]) -> None:
    """Move parameters, examples and error responses that occur several times to `components`."""
    components: dict[str, dict[str, Any]] = document["components"]
    operations = [each for path in document["paths"].values() for each in path.values()]
    answers = [answer for each in operations for answer in each["responses"].values()]
    answers += components["responses"].values()
    bodies = [each["requestBody"] for each in operations if "requestBody" in each]
    found = (
        chain.from_iterable(map(_parameters, operations)),
        chain.from_iterable(map(_examples, bodies + answers)),
        chain.from_iterable(map(_errors, operations)),
    )
    for kind, places in zip(_SHARED, found, strict=True):
        components[kind] = _share(kind, [*places]) | components.get(kind, {})


def expand(part: Any, components: dict[str, Any]) -> Any:
    """A copy of a part of the document without the references of `share`."""
    if isinstance(part, list):
        return [expand(each, components) for each in cast(list[Any], part)]
    if not isinstance(part, dict):
        return part
    found = cast(dict[str, Any], part)
    kind, _, name = str(found.get("$ref", "")).removeprefix("#/components/").partition("/")
    if kind in _SHARED and name != ANY_ERROR:
        return expand(components[kind][name], components)
    return {key: expand(value, components) for key, value in found.items()}


def _parameters(operation: dict[str, Any]) -> Iterator[_Place]:
    parameters: list[dict[str, Any]] = operation.get("parameters", [])
    for index, parameter in enumerate(parameters):
        yield _Place(parameters, index, parameter["name"])


def _examples(body: dict[str, Any]) -> Iterator[_Place]:
    for content in body.get("content", {}).values():
        examples: dict[str, Any] = content.get("examples", {})
        for name in examples:
            yield _Place(examples, name, name)


def _errors(operation: dict[str, Any]) -> Iterator[_Place]:
    responses: dict[str, Any] = operation["responses"]
    for status, response in responses.items():
        codes = frozenset(response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", ()))
        if codes:
            yield _Place(responses, status, _name(codes))


def _name(codes: frozenset[str]) -> str:
    """The name of a response with these codes, such as `IdempotencyConflictOrSlugTaken`."""
    names: list[str] = []
    for name, errors in _GROUPS.items():
        group = {error.code for error in errors}
        if group <= codes:
            names.append(name)
            codes -= group
    names += ["".join(map(str.capitalize, code.split("_"))) for code in codes]
    return "Or".join(sorted(names))


def _share(kind: str, places: list[_Place]) -> dict[str, Any]:
    """Replace values that occur several times by references. Returns the components."""
    values = [(place.name, json.dumps(place.holder[place.key], sort_keys=True)) for place in places]
    counts = Counter(values)
    names: dict[tuple[str, str], str] = {}
    shared: dict[str, Any] = {}
    for place, (name, text) in zip(places, values, strict=True):
        if counts[name, text] == 1:
            continue
        if (name, text) not in names:
            # Values of the same name can differ. Further ones get a number.
            others = sum(other == name for other, _ in names)
            names[name, text] = f"{name}{others + 1}" if others else name
            shared[names[name, text]] = place.holder[place.key]
        place.holder[place.key] = {"$ref": f"#/components/{kind}/{names[name, text]}"}
    return dict(sorted(shared.items()))
