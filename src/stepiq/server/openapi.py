"""The OpenAPI document: what FastAPI derives from the routes, with our errors and credentials."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from stepiq.accounts.errors import CredentialInvalid, CredentialMissing
from stepiq.core.errors import StepIQError
from stepiq.core.json import MalformedJson
from stepiq.store.database import StoreUnavailable
from stepiq.web.errors import (
    BodyMissing,
    BodyTooLarge,
    InvalidBody,
    InvalidQuery,
    RateLimited,
    UnsupportedMediaType,
)
from stepiq.web.problems import Problem, problems

_DESCRIPTION = """\
Define AI pipelines, run them durably, and watch them live. Every route also answers under `/v1`.

Errors are `application/problem+json` with a stable `code`. Lists come in pages: send `next_cursor` as `cursor`.
"""
_CREDENTIALS: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def document(app: FastAPI, public: frozenset[str]) -> dict[str, Any]:
    """The document of an app.

    Args:
        app: with all of its routes.
        public: paths that need no credential.
    """
    made = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_problem_schemas())
    made["components"]["securitySchemes"] = _SCHEMES
    for path, operations in made["paths"].items():
        for operation in operations.values():
            _complete(operation, is_public=path in public)
    return made


def _complete(operation: dict[str, Any], *, is_public: bool) -> None:
    errors: list[type[StepIQError]] = [StoreUnavailable]
    if not is_public:
        operation["security"] = _CREDENTIALS
        errors += [CredentialMissing, CredentialInvalid, RateLimited]
    if "requestBody" in operation:
        errors += [MalformedJson, BodyMissing, BodyTooLarge, UnsupportedMediaType, InvalidBody]
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        errors.append(InvalidQuery)
    responses: dict[str, Any] = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own shape, which we never answer
    for status, response in problems(*errors).items():
        _merge(responses, str(status), response)
    operation["responses"] = dict(sorted(responses.items()))


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
