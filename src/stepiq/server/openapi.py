"""The OpenAPI document: what FastAPI derives from the routes, with our errors and credentials."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from stepiq.accounts.errors import (
    CredentialInvalid,
    CredentialMissing,
    ScopeMissing,
    SessionRequired,
)
from stepiq.core.errors import StepIQError
from stepiq.core.json import MalformedJson
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
Define AI pipelines, run them durably, and watch them live. Every route also answers under `/v1`.

Errors are `application/problem+json` with a stable `code`. Lists come in pages: send `next_cursor` as `cursor`.
"""
_BEARER: dict[str, list[str]] = {"bearer": []}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new one for each thing to be made: sent again within 24 hours with the same body and query, it gets "
    "the same answer, marked `Idempotent-Replayed: true`, and has no effect.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an app with all of its routes."""
    made = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_problem_schemas())
    made["components"]["securitySchemes"] = _SCHEMES
    for route in routes_of(app):
        operation = made["paths"].get(route.path, {}).get(route.method.lower())
        if operation is not None:
            _complete(operation, route)
    return made


def _complete(operation: dict[str, Any], route: Route) -> None:
    errors: list[type[StepIQError]] = [StoreUnavailable]
    if not route.access.is_public:
        operation["security"] = _security(route.access)
        errors += [CredentialMissing, CredentialInvalid, RateLimited]
    if route.access.scope is not None:
        errors.append(ScopeMissing)
    if route.access.is_for_people:
        errors.append(SessionRequired)
    if route.takes_key:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        errors += [IdempotencyKeyInvalid, IdempotencyKeyReused]
        errors += [IdempotencyInProgress, IdempotentAnswerLost]
    if "requestBody" in operation:
        errors += [MalformedJson, BodyMissing, BodyTooLarge, UnsupportedMediaType, InvalidBody]
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        errors += [InvalidQuery, MalformedQuery]
    responses: dict[str, Any] = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own shape, which we never answer
    for status, response in problems(*errors).items():
        _merge(responses, str(status), response)
    operation["responses"] = dict(sorted(responses.items()))


def _security(access: Access) -> list[dict[str, list[str]]]:
    # OpenAPI 3.1 lets any scheme name what it needs, not only OAuth's.
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
