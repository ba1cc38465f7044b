"""The OpenAPI document: FastAPI's document of the routes, with the errors and credentials of stepIQ added."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from stepiq.accounts import session_cookie
from stepiq.accounts.errors import (
    CredentialInvalid,
    CredentialMissing,
    CrossSiteRequest,
    CsrfTokenInvalid,
    ScopeMissing,
    SessionRequired,
)
from stepiq.core import json
from stepiq.core.errors import StepIQError
from stepiq.core.json import MalformedJson
from stepiq.pipelines.schemas import PipelineBody
from stepiq.server.docs import components, events, headers, samples
from stepiq.server.protocol import NotHttp
from stepiq.server.routes import Access, Route, routes_of
from stepiq.store.database import StoreUnavailable
from stepiq.web.errors import (
    BodyMissing,
    BodyTooLarge,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentAnswerLost,
    InvalidBody,
    InvalidQuery,
    MalformedQuery,
    RateLimited,
    UnsupportedMediaType,
)
from stepiq.web.problems import Problem, problems

_DESCRIPTION = """\
Define AI pipelines, run them durably, and follow them live. Every path is also available under `/v1`.

Errors are `application/problem+json` with a stable `code`. Lists are paginated: send `next_cursor` as `cursor` to get the next page.

Every response has an `X-Request-ID`. If the plan limits the rate, every response to an accepted credential has `RateLimit-*` \
headers. They are listed at 429 only. Any route can return 400 (malformed HTTP, or U+0000 in the query), 408 (the request arrived too \
slowly), 431 (URL and headers are too large) and 500 (a bug in stepIQ). Any route except `/health` can return 429 \
`too_many_connections` and 503 `server_full`. An unknown path is 404 `unknown_path`. A method that a \
path does not support is 405 `method_not_allowed`; `Allow` lists the supported ones.
"""
_TAGS = ("Auth", "Users", "API keys", "Pipelines", "Runs", "Bulk jobs", "Reviews", "Webhooks", "Schedules", "Deliveries", "Secrets", "Models", "Usage")  # fmt: skip
# In the code, the suffix "View" distinguishes classes of responses from records. Clients have no records.
_SCHEMA_NAME = re.compile(r'"(#/components/schemas/)?(?:Page_(\w+)View_|(\w+)View)"')
_STREAM_PATH = "/api/runs/{run_id}/stream"
_STREAM = (
    "Server-sent events. `id` is the event's number in its run, `data` is JSON. The server sends a comment every 15 seconds. "
    "The stream ends after the final `run.status`."
)
_ANYWHERE = {"400": "MalformedRequest", "408": "RequestTimeout", "431": "HeadersTooLarge", "500": "Internal"}  # fmt: skip
_EXCEPT_HEALTH = {"429": "TooManyConnections", "503": "ServerFull"}
_BEARER: dict[str, list[str]] = {"bearer": []}
_COOKIE: dict[str, list[str]] = {"session_cookie": []}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session_cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": session_cookie.NAME,
        "description": (
            "For the pages of this server. POST /api/session sets it. The name has the prefix `__Host-` if the server's URL "
            "begins with https, and ends with the port (`_8080`) if the URL has one. Requests other than GET and HEAD also need "
            "the `csrf_token` of GET /api/session in the `X-CSRF-Token` header. Ignored if a credential is in a header."
        ),
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document for all routes of an app."""
    found = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    for unused in ("HTTPValidationError", "ValidationError"):
        found["components"]["schemas"].pop(unused, None)
    found["components"]["schemas"] |= _schemas(Problem, PipelineBody) | events.components()
    # Routes share objects. A round trip through text copies them, so that each can be changed.
    text = _SCHEMA_NAME.sub(_short_name, json.dumps(found))
    made: dict[str, Any] = json.as_object(json.loads(text.encode()))
    _remove_titles(made["paths"])
    _remove_titles(made["components"])
    made["components"] |= {
        "securitySchemes": _SCHEMES,
        "headers": headers.COMPONENTS,
        "responses": components.responses_of_any_route(),
    }
    for route in routes_of(app):
        operation = made["paths"].get(route.path, {}).get(route.method.lower())
        if operation is not None:
            _complete(operation, route)
            headers.complete(operation, route)
    made["tags"] = [{"name": name} for name in _tags(made)]
    _describe_stream(made["paths"][_STREAM_PATH]["get"])
    samples.fill(made)
    components.share(made)
    return made


def _short_name(found: re.Match[str]) -> str:
    prefix, item, name = found.groups("")
    return f'"{prefix}{name or item + "Page"}"'


def _remove_titles(part: Any) -> None:
    """Remove the titles of schemas. They only repeat the names of fields."""
    if isinstance(part, list):
        for each in cast(list[Any], part):
            _remove_titles(each)
    if isinstance(part, dict):
        found = cast(dict[str, Any], part)
        # A schema of a field with this name is not text.
        if isinstance(found.get("title"), str):
            del found["title"]
        for key, each in found.items():
            if key not in ("example", "examples"):
                _remove_titles(each)


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
    if not route.access.is_public and not route.access.is_for_keys:
        yield CrossSiteRequest
        if route.method != "GET":
            yield CsrfTokenInvalid
    if route.takes_key:
        yield from (IdempotencyKeyInvalid, IdempotencyKeyReused)
        yield from (IdempotencyInProgress, IdempotentAnswerLost)
    if "requestBody" in operation:
        yield from (NotHttp, MalformedQuery, MalformedJson, BodyMissing)
        yield from (BodyTooLarge, UnsupportedMediaType, InvalidBody)
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        yield InvalidQuery


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


def _security(access: Access) -> list[dict[str, list[str]]]:
    # In OpenAPI 3.1, any scheme can list scopes, not only OAuth's.
    key = {"api_key": [] if access.scope is None else [access.scope.value]}
    if access.is_for_keys:
        return [key]
    return [_BEARER, _COOKIE] if access.is_for_people else [_BEARER, key, _COOKIE]


def _merge(responses: dict[str, Any], status: str, added: dict[str, Any]) -> None:
    present = responses.setdefault(status, added)
    for media_type, content in added["content"].items():
        examples = present["content"].setdefault(media_type, content).setdefault("examples", {})
        for code, example in content["examples"].items():
            examples.setdefault(code, example)


def _schemas(*models: type[BaseModel]) -> dict[str, Any]:
    """The schemas of models that no endpoint declares."""
    found: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(
            mode="serialization", ref_template="#/components/schemas/{model}"
        )
        found |= {**schema.pop("$defs", {}), model.__name__: schema}
    return found
