"""The OpenAPI document: FastAPI's document of the routes, with the errors and credentials of stepIQ added."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from stepiq.accounts.credentials import cookie as session_cookie
from stepiq.accounts.errors import (
    RoleMissing,
    ScopeMissing,
    SessionRequired,
)
from stepiq.core import json
from stepiq.core.errors import StepIQError
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.pipelines.schemas import PipelineBody
from stepiq.server.docs import components, events, samples
from stepiq.server.routes import Access, Route, routes_of
from stepiq.store.states import Role
from stepiq.web.errors import (
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentAnswerLost,
    InvalidBody,
    InvalidQuery,
)
from stepiq.web.problems import Problem, problems
from stepiq.web.routing import PIPELINE

_DESCRIPTION = """\
Define AI pipelines, run them durably, and follow them live. Every path is also available under `/v1`.

Errors are `application/problem+json` with a stable `code`. Lists are paginated: send `next_cursor` as `cursor` to get the next page; it is null on the last page.

Every response has an `X-Request-ID`. If the plan limits the rate, every response to an accepted credential has `RateLimit-*` \
headers. Both are listed at the response `default` only, which is each route's response for the errors that any route can have, such as a \
missing credential, a body that is too large, or a database that does not answer. A session can name a workspace in \
`X-Workspace`; an API key belongs to one.
"""
_TAGS = ("Auth", "Users", "Two factor", "Device login", "API keys", "Pipelines", "Runs", "Bulk jobs", "Reviews", "Webhooks", "Schedules", "Deliveries", "Secrets", "Models", "Usage")  # fmt: skip
# In the code, the suffix "View" distinguishes classes of responses from records. Clients have no records.
_SCHEMA_NAME = re.compile(r'"(#/components/schemas/)?(?:Page_(\w+)View_|(\w+)View)"')
_PIPELINE = "Id or slug of the pipeline."
_STREAM_PATH = "/api/runs/{run_id}/stream"
_STREAM = (
    "Server-sent events. `id` is the event's number in its run, `data` is JSON. The server sends a comment every 15 seconds. "
    "The stream ends after the final `run.status`."
)
_NOT_NULL = frozenset({"enum", "const", "description", "default"})
"""Parts of a schema that would exclude null, or that the outer schema may have, too."""
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
        "headers": components.COMPONENTS,
        "responses": components.any_error(),
    }
    for route in routes_of(app):
        operation = made["paths"].get(route.path, {}).get(route.method.lower())
        if operation is not None:
            _complete(operation, route)
            components.complete(operation, route)
    made["tags"] = [{"name": name} for name in _tags(made)]
    _describe_stream(made["paths"][_STREAM_PATH]["get"])
    samples.fill(made)
    components.share(made)
    _shorten_nullable(made)
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


def _shorten_nullable(part: Any) -> None:
    """Write `{"type": ["string", "null"]}` instead of a choice between two schemas, which is twice as long."""
    if isinstance(part, list):
        for each in cast(list[Any], part):
            _shorten_nullable(each)
    if isinstance(part, dict):
        found = cast(dict[str, Any], part)
        match found.get("anyOf"):
            case [{"type": str(kind), **rest}, {"type": "null"}] if not rest.keys() & _NOT_NULL:
                del found["anyOf"]
                found |= {"type": [kind, "null"], **rest}
            case _:
                pass
        for key, each in found.items():
            if key not in ("example", "examples"):
                _shorten_nullable(each)


def _complete(operation: dict[str, Any], route: Route) -> None:
    # Made from the name of the function. `operationId` and `description` say the same.
    operation.pop("summary", None)
    if not route.access.is_public:
        operation["security"] = _security(route.access)
    if route.takes_key:
        operation.setdefault("parameters", []).append(dict(components.IDEMPOTENCY_KEY))
    for parameter in operation.get("parameters", ()):
        # FastAPI repeats the description of the parameter.
        parameter["schema"].pop("description", None)
        if not parameter.get("required"):
            parameter.pop("required", None)  # the default
        if parameter["in"] == "path" and parameter["name"] == PIPELINE:
            parameter |= {"schema": {"type": "string"}, "description": _PIPELINE}
    responses: dict[str, Any] = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own shape, which no route returns
    for status, response in problems(*_errors(operation, route)).items():
        _merge(responses, str(status), response)
    for status, response in responses.items():
        if response["description"] == "Successful Response":
            response["description"] = HTTPStatus(int(status)).phrase
    any_error = {"$ref": f"#/components/responses/{components.ANY_ERROR}"}
    operation["responses"] = dict(sorted(responses.items())) | {"default": any_error}


def _errors(operation: dict[str, Any], route: Route) -> Iterator[type[StepIQError]]:
    """The errors that result from the kind of route, in addition to those that it declares."""
    if f"{{{PIPELINE}}}" in route.path:
        yield PipelineNotFound
    if route.access.scopes:
        yield ScopeMissing
        if route.access.role is not Role.VIEWER:
            yield RoleMissing
    if route.access.is_for_people:
        yield SessionRequired
    if route.replays:
        yield from (IdempotencyKeyInvalid, IdempotencyKeyReused)
        yield from (IdempotencyInProgress, IdempotentAnswerLost)
    if "requestBody" in operation:
        yield InvalidBody
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
    key = {"api_key": [scope.value for scope in access.scopes]}
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
