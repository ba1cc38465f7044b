"""Converts errors to responses. The only module that assigns HTTP statuses to them.

Bodies are `application/problem+json` (RFC 9457) with a stable `code`. Any unexpected error is a bug: it is logged with
its traceback, and the response contains only the request's id.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast, get_args

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from stepiq.core import json
from stepiq.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Issue,
    LimitReached,
    Malformed,
    NotFound,
    StepIQError,
    Unauthenticated,
    Unavailable,
)
from stepiq.language import offload
from stepiq.web import requests, routing, validation
from stepiq.web.bodies import View, as_sent
from stepiq.web.errors import (
    BodyTooLarge,
    GrantRefused,
    HeadersTooLarge,
    IdempotencyInProgress,
    InvalidBody,
    InvalidQuery,
    MethodNotAllowed,
    PreconditionFailed,
    RequestTimeout,
    UnknownPath,
    UnsupportedMediaType,
)

MEDIA_TYPE = "application/problem+json"
_EXAMPLE_ID = "0192f0"  # short, because the document contains it more than a hundred times

_STATUSES: dict[type[StepIQError], int] = {
    Malformed: 400,
    GrantRefused: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    Conflict: 409,
    PreconditionFailed: 412,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    Invalid: 422,
    LimitReached: 429,
    HeadersTooLarge: 431,
    Unavailable: 503,
}
# Before 3.13, Python has older names for these. Responses must be the same on every version.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(View):
    """An error of the API."""

    type: str
    """Documentation of the code, relative to the server."""
    title: str
    """General meaning of the status."""
    status: int
    detail: str
    """What happened, and what to do next."""
    code: str
    """Stable name of the error."""
    request_id: str
    """Id of the request, also in the `X-Request-ID` header and in the server's log."""
    errors: list["ProblemIssue"] | None = None
    """All problems, if there can be several."""
    current: Any = None
    """With status 412: the current state, or null if there is none."""


class ProblemIssue(View):
    """One error in a document or body."""

    path: str
    code: str
    message: str
    line: int | None = None
    column: int | None = None


def status_of(error: type[StepIQError]) -> int:
    """The status of an error class: that of its nearest ancestor with a status; 500 if none has one."""
    for ancestor in error.__mro__:
        status = _STATUSES.get(cast(type[StepIQError], ancestor))
        if status is not None:
            return status
    return 500


def problems(*errors: type[StepIQError]) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route for the OpenAPI document, as its `responses`."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = status_of(error)
        response = by_status.setdefault(status, _documented(status))
        summary = (error.__doc__ or error.code).partition("\n")[0]
        response["content"][MEDIA_TYPE]["examples"][error.code] = {
            "value": _content(status, error.code, summary, _EXAMPLE_ID)
        }
    return by_status


def bug() -> dict[str, Any]:
    """The response of any route to an internal error, for the OpenAPI document."""
    response = _documented(500)
    response["content"][MEDIA_TYPE]["examples"]["internal"] = {
        "value": _content(500, "internal", _bug_detail(_EXAMPLE_ID), _EXAMPLE_ID),
    }
    return response


def _documented(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": _title(status),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}},
    }


def respond(error: StepIQError, request_id: str) -> Response:
    """The response to an expected error."""
    status = status_of(type(error))
    issues = error.issues if isinstance(error, Invalid) else ()
    content = _content(status, error.code, error.message, request_id, issues)
    if isinstance(error, PreconditionFailed):
        content["current"] = error.current
    headers: dict[str, str] = {}
    if isinstance(error, LimitReached | Unavailable | IdempotencyInProgress):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="stepiq"'
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = str(error.facts["allowed"])
    return _response(status, content, headers)


def respond_to_bug(request_id: str) -> Response:
    """The response to an unexpected error. It contains only the request's id."""
    return _response(500, _content(500, "internal", _bug_detail(request_id), request_id), {})


def _bug_detail(request_id: str) -> str:
    return f"An internal error occurred. The server's log has the details under request id {request_id}."


def install(app: FastAPI) -> None:
    """Convert every expected error of this app to a problem document. The guard around the app handles bugs."""
    app.add_exception_handler(StepIQError, _on_expected)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_expected(request: Request, error: Exception) -> Response:
    if isinstance(error, PreconditionFailed) and callable(error.current):
        error.current = await offload.compute_long(error.current)
    return _answer(request, cast(StepIQError, error))


async def _on_validation(request: Request, error: Exception) -> Response:
    return _answer(request, _from_validation(request, cast(RequestValidationError, error)))


async def _on_http(request: Request, error: Exception) -> Response:
    failure = cast(HTTPException, error)
    if failure.status_code == HTTPStatus.NOT_FOUND:
        path = request.url.path[:200]
        is_slash_too_many = path.endswith("/") and path != "/"
        advice = "Remove the slash at the end." if is_slash_too_many else "/docs lists all routes."
        return _answer(request, UnknownPath(f"Route {path} does not exist. {advice}"))
    if failure.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _answer(request, routing.wrong_method(request) or validation.malformed_id())
    phrase = _title(failure.status_code)
    code = re.sub(r"\W+", "_", phrase).lower()
    requests.note(request.scope, code=code)
    content = _content(failure.status_code, code, f"{phrase}.", requests.id_of(request.scope))
    return _response(failure.status_code, content, failure.headers or {})


def _answer(request: Request, error: StepIQError) -> Response:
    requests.note(request.scope, code=error.code)
    if error.facts:
        facts = {name: str(value) for name, value in error.facts.items()}
        requests.note(request.scope, facts=facts)
    return respond(error, requests.id_of(request.scope))


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def _content(
    status: int, code: str, detail: str, request_id: str, issues: Sequence[Issue] = ()
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "type": f"/docs/errors#{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if issues:
        content["errors"] = [
            ProblemIssue.model_validate(replace(issue, path=as_sent(issue.path))).model_dump(
                exclude_none=True
            )
            for issue in issues
        ]
    return content


def _response(status: int, content: dict[str, Any], headers: Mapping[str, str]) -> Response:
    # A path or header can bring a lone surrogate into a message, and UTF-8 cannot encode it.
    body = json.dumps(content).encode(errors="replace")
    return Response(body, status, headers, media_type=MEDIA_TYPE)


def _from_validation(request: Request, error: RequestValidationError) -> StepIQError:
    entries: Sequence[Mapping[str, Any]] = error.errors()
    if any(entry["loc"][0] == "path" for entry in entries):
        is_pipeline = any(entry["loc"] == ("path", routing.PIPELINE) for entry in entries)
        refusal = requests.path_refusal_of(request.scope) if is_pipeline else None
        return refusal or validation.malformed_id(entries)
    in_body = [entry for entry in entries if entry["loc"][0] == "body"]
    if in_body:
        return InvalidBody(validation.issues(in_body, _body_model(request)))
    return InvalidQuery(validation.issues(entries, None))


def _body_model(request: Request) -> type[BaseModel] | None:
    route = request.scope.get("route")
    field = route.body_field if isinstance(route, APIRoute) else None
    annotation = field.field_info.annotation if field is not None else None
    # The annotation of an optional body is a union of a model and None.
    for each in get_args(annotation) or (annotation,):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None
