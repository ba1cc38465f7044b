"""The OpenAPI document: FastAPI's document of the routes, with the errors and credentials of stepIQ added."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from stepiq.accounts.errors import (
    CredentialInvalid,
    CredentialMissing,
    ScopeMissing,
    SessionRequired,
)
from stepiq.core import json
from stepiq.core.errors import StepIQError
from stepiq.core.json import MalformedJson
from stepiq.server.connections import ServerFull, TooManyConnections
from stepiq.server.docs import events, headers, samples
from stepiq.server.protocol import NotHttp
from stepiq.server.routes import Access, Route, routes_of
from stepiq.store.database import StoreUnavailable
from stepiq.web.errors import (
    BodyMissing,
    BodyTooLarge,
    HeadersTooLarge,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentAnswerLost,
    InvalidBody,
    InvalidQuery,
    MalformedQuery,
    MethodNotAllowed,
    RateLimited,
    RequestTimeout,
    UnknownPath,
    UnsupportedMediaType,
)
from stepiq.web.problems import MEDIA_TYPE, Problem, bug, problems

_DESCRIPTION = """\
Define AI pipelines, run them durably, and follow them live. Every path is also available under `/v1`.

Errors are `application/problem+json` with a stable `code`. Lists are paginated: send `next_cursor` as `cursor` to get the next page.

Every response has an `X-Request-ID`. Any route can return 400 (malformed HTTP, or U+0000 in the query), 408 (the request arrived too \
slowly), 431 (URL and headers are too large) and 500 (a bug in stepIQ). Any route except `/health` can return 429 \
`too_many_connections` and 503 `server_full`. An unknown path is 404 `unknown_path`. A method that a \
path does not support is 405 `method_not_allowed`; `Allow` lists the supported ones.
"""
_TAGS = ("Auth", "Users", "API keys", "Pipelines", "Runs", "Reviews", "Webhooks", "Schedules", "Deliveries", "Secrets", "Models", "Usage")  # fmt: skip
_STREAM_PATH = "/api/runs/{run_id}/stream"
_STREAM = (
    "Server-sent events. `id` is the event's number in its run, `data` is JSON. The server sends a comment every 15 seconds. "
    "The stream ends after the final `run.status`."
)
_COMMON: dict[str, tuple[type[StepIQError], ...]] = {
    "MalformedRequest": (NotHttp, MalformedQuery),
    "UnknownPath": (UnknownPath,),
    "MethodNotAllowed": (MethodNotAllowed,),
    "RequestTimeout": (RequestTimeout,),
    "HeadersTooLarge": (HeadersTooLarge,),
    "TooManyConnections": (TooManyConnections,),
    "ServerFull": (ServerFull,),
}
_ANYWHERE = {"400": "MalformedRequest", "408": "RequestTimeout", "431": "HeadersTooLarge", "500": "Internal"}  # fmt: skip
_EXCEPT_HEALTH = {"429": "TooManyConnections", "503": "ServerFull"}
_BEARER: dict[str, list[str]] = {"bearer": []}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document for all routes of an app."""
    found = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    # Routes share objects. A round trip through text copies them, so that each can be changed.
    made: dict[str, Any] = json.loads(json.dumps(found).encode())
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_problem_schemas())
    schemas.update(events.components())
    made["components"] |= {
        "securitySchemes": _SCHEMES,
        "headers": headers.COMPONENTS,
        "responses": _common_responses(),
    }
    for route in routes_of(app):
        operation = made["paths"].get(route.path, {}).get(route.method.lower())
        if operation is not None:
            _complete(operation, route)
            headers.complete(operation, route)
    made["tags"] = [{"name": name} for name in _tags(made)]
    _describe_stream(made["paths"][_STREAM_PATH]["get"])
    samples.fill(made)
    made["components"]["examples"] = _shared_examples(made)
    return made


def _complete(operation: dict[str, Any], route: Route) -> None:
    if not route.access.is_public:
        operation["security"] = _security(route.access)
    if route.takes_key:
        operation.setdefault("parameters", []).append(dict(headers.IDEMPOTENCY_KEY))
    responses: dict[str, Any] = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own shape, which no route returns
    for status, response in problems(*_errors(operation, route)).items():
        _merge(responses, str(status), response)
    for status, response in responses.items():
        if response["description"] == "Successful Response":
            response["description"] = HTTPStatus(int(status)).phrase
    anywhere = _ANYWHERE if route.path == "/health" else _ANYWHERE | _EXCEPT_HEALTH
    for status, name in anywhere.items():
        responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
    operation["responses"] = dict(sorted(responses.items()))


def _errors(operation: dict[str, Any], route: Route) -> Iterator[type[StepIQError]]:
    """The errors that result from the kind of route, in addition to those that it declares."""
    if route.path.startswith("/api/"):
        yield StoreUnavailable
    if not route.access.is_public:
        yield from (CredentialMissing, CredentialInvalid, RateLimited)
    if route.access.scope is not None:
        yield ScopeMissing
    if route.access.is_for_people:
        yield SessionRequired
    if route.takes_key:
        yield from (IdempotencyKeyInvalid, IdempotencyKeyReused)
        yield from (IdempotencyInProgress, IdempotentAnswerLost)
    if "requestBody" in operation:
        yield from (NotHttp, MalformedQuery, MalformedJson, BodyMissing)
        yield from (BodyTooLarge, UnsupportedMediaType, InvalidBody)
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        yield from (InvalidQuery, MalformedQuery)


def _tags(made: dict[str, Any]) -> list[str]:
    """The tags of the document's operations, in the order in which a new user needs them."""
    operations = (each for path in made["paths"].values() for each in path.values())
    found = dict.fromkeys(tag for operation in operations for tag in operation["tags"])
    return sorted(found, key=lambda tag: _TAGS.index(tag) if tag in _TAGS else len(_TAGS))


def _describe_stream(operation: dict[str, Any]) -> None:
    kinds = "\n".join(f"- `{name}`: {meaning}" for name, meaning in events.meanings().items())
    response = operation["responses"]["200"]
    response["description"] = f"{_STREAM}\n\n{kinds}"
    response["content"]["text/event-stream"]["schema"] = {
        "type": "string",
        "contentMediaType": "text/event-stream",
        "contentSchema": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/StreamedEvent"},
        },
    }


def _common_responses() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, errors in _COMMON.items():
        for status, response in problems(*errors).items():
            headers.refer(response, *headers.of_status(str(status)))
            made[name] = response
    headers.refer(internal := bug())
    return {**made, "Internal": internal}


def _shared_examples(made: dict[str, Any]) -> dict[str, Any]:
    """The examples of problems, by code. Operations refer to them."""
    shared: dict[str, Any] = {}
    answers: list[dict[str, Any]] = [*made["components"]["responses"].values()]
    for operations in made["paths"].values():
        for operation in operations.values():
            answers += operation["responses"].values()
    for answer in answers:
        found: dict[str, Any] = answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        for code, example in found.items():
            shared.setdefault(code, example)
            found[code] = {"$ref": f"#/components/examples/{code}"}
    return dict(sorted(shared.items()))


def _security(access: Access) -> list[dict[str, list[str]]]:
    # In OpenAPI 3.1, any scheme can list scopes, not only OAuth's.
    key = {"api_key": [] if access.scope is None else [access.scope.value]}
    if access.is_for_keys:
        return [key]
    return [_BEARER] if access.is_for_people else [_BEARER, key]


def _merge(responses: dict[str, Any], status: str, added: dict[str, Any]) -> None:
    present = responses.setdefault(status, added)
    for media_type, content in added["content"].items():
        examples = present["content"].setdefault(media_type, content).setdefault("examples", {})
        for code, example in content["examples"].items():
            examples.setdefault(code, example)


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    nested = schema.pop("$defs", {})
    return {**nested, "Problem": schema}
