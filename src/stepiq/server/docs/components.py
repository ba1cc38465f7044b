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
from stepiq.server.docs import headers
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
_ANY_HEADERS: Final = ("X-Request-ID", "WWW-Authenticate", "Allow", "Retry-After", *headers.RATE)
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
    headers.refer(made, *_ANY_HEADERS)
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
