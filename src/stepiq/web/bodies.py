"""Strict parsing of parameters and bodies, base classes of requests and responses, and the format that a client prefers.

An unreadable body is refused only after the credential has been checked, so that a caller without access to the route
gets no other information.
"""

import email.message
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from threading import RLock
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, cast

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from stepiq.core import clock, json
from stepiq.core.errors import Issue, StepIQError
from stepiq.core.json import Json
from stepiq.core.validation import unknown
from stepiq.language import offload
from stepiq.web import idempotency, routing
from stepiq.web.errors import BodyMissing, InvalidQuery, UnsupportedMediaType
from stepiq.web.idempotency import Replayed
from stepiq.web.routing import ApiRouter

_MOST = 20
_OPEN = "stepiq_takes_any_query"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def takes_any_query(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose callers cannot choose their query string, such as senders of webhooks."""
    setattr(endpoint, _OPEN, True)
    return endpoint


def refuse_unknown(request: Request) -> None:
    """Refuse parameters that the route of this request does not have.

    Raises:
        InvalidQuery: has an issue for each of the first 20.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or getattr(route.endpoint, _OPEN, False):
        return
    known = sorted(set(_names(route.dependant)))
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if unknown:
        raise InvalidQuery([_issue(name, known) for name in unknown[:_MOST]])


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from _names(inner)


def _issue(name: str, known: list[str]) -> Issue:
    message = (
        unknown("parameter", name, known)
        if known
        else "No parameters are accepted here. Remove it."
    )
    return Issue(name[:100], "unknown_parameter", message)


JSON_TYPES = ("application/json",)
_LONGEST_TYPE = 200
YAML_TYPES = ("application/yaml", "text/yaml", "application/x-yaml")

Timestamp = Annotated[
    datetime,
    PlainSerializer(clock.iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""An instant in a response: ISO 8601, UTC, milliseconds."""


def _iso_text(value: object) -> object:
    # By default, pydantic also accepts seconds since 1970, as a number or as text.
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("must be an ISO 8601 time with a time zone, such as 2030-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999 in UTC") from None


Instant = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_iso_text), AfterValidator(_in_utc)
]
"""An instant in a request: ISO 8601 with a time zone, converted to UTC."""

FROM_TEXT = Field(strict=False)
"""For fields of a `StrictModel` that JSON represents as text, such as enumerations: `Annotated[Scope, FROM_TEXT]`."""


def _whole_number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


JsonInteger = Annotated[int, BeforeValidator(_whole_number)]
"""An integer in a request. JSON has one number type, so `3.0` is valid."""


_building = RLock()
_sent_names: ContextVar[Mapping[str, str]] = ContextVar("sent_names")


def as_sent(path: str) -> str:
    """A path in the body of this request, with the field name that the caller used, if it has several."""
    name = re.split(r"[.\[]", path, maxsplit=1)[0]
    return _sent_names.get({}).get(name, name) + path[len(name) :]


class StrictModel(BaseModel):
    """A request body: unknown fields are refused and named, and nothing is converted from another type."""

    model_config = ConfigDict(
        extra="forbid", strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )
    other_names: ClassVar[Mapping[str, str]] = {}
    """Field names by their names in definitions, which are also accepted."""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        sent = cast(dict[str, Any], data)
        for other, name in cls.other_names.items():
            if other in sent and name in sent:
                raise ValueError(f"`{other}` is another name for `{name}`. Send only one of them")
        _sent_names.set({name: other for other, name in cls.other_names.items() if other in sent})
        return {cls.other_names.get(name, name): value for name, value in sent.items()}


class View(BaseModel):
    """The shape of an answer, filled from a row or any object with the same attributes."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, defer_build=True)


class Body(NamedTuple):
    """A body as sent, for routes that also accept YAML."""

    data: bytes
    media_type: str
    """`application/json` or `application/yaml`, also if the caller used another name of the type."""


async def read_body(request: Request, *, takes_yaml: bool = True) -> Body:
    """Read the body of a route that takes JSON or YAML. Only the content type is checked.

    Raises:
        UnsupportedMediaType: the content type is neither, or not UTF-8.
        BodyMissing: the body is empty.
    """
    accepted = (*JSON_TYPES, YAML_TYPES[0]) if takes_yaml else JSON_TYPES
    data = await request.body()
    if not data:
        raise BodyMissing(accepted)
    found = _media_type(request, accepted)
    if takes_yaml and found in YAML_TYPES:
        return Body(data, YAML_TYPES[0])
    if _is_json(found):
        return Body(data, JSON_TYPES[0])
    raise UnsupportedMediaType(found, accepted)


def refuse_unreadable(request: Request) -> None:
    """Raise the error of an unreadable body, if there is one.

    Raises:
        Malformed: the body is not JSON, or is required and empty.
        UnsupportedMediaType: the content type is not JSON.
    """
    problem: StepIQError | None = request.scope.get("stepiq.unreadable")
    if problem is not None:
        raise problem


async def _refuse_unreadable(request: Request) -> None:
    routing.refuse_shadowed(request)
    refuse_unreadable(request)
    refuse_unknown(request)


class _ReadRequest(Request):
    """A request whose body `core.json` has already parsed."""

    def __init__(self, request: Request, data: bytes, value: Json) -> None:
        super().__init__(request.scope, request.receive)
        self._data = data
        self._value = value

    async def body(self) -> bytes:
        return self._data

    async def json(self) -> Json:
        return self._value


class StrictRoute(APIRoute):
    """A route that parses JSON bodies with `core.json`, and refuses other content types.

    It stores the response of a request with an `Idempotency-Key`, and sends it again if the request is repeated.

    FastAPI builds a route from its function and models, which takes milliseconds. Most are not used soon after a start,
    so each is built when one of its attributes other than `path` is first read.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[Any] | None = None,
        **options: Any,
    ) -> None:
        self.path = path
        # After the router's dependencies, which check credentials, and before the endpoint's.
        checks = [*(dependencies or ()), Depends(_refuse_unreadable)]
        self._build = partial(super().__init__, path, endpoint, dependencies=checks, **options)

    def __getattr__(self, name: str) -> Any:
        # The thread that creates the OpenAPI document reads routes at the same time as the event loop.
        with _building:
            if (build := vars(self).pop("_build", None)) is None and name not in vars(self):
                raise AttributeError(name, name=name, obj=self)
            if build is not None:
                build()
            return getattr(self, name)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = self._reading(super().get_route_handler())

        async def answer_once(request: Request) -> Response:
            try:
                response = await answer(request)
            except Replayed as replayed:
                return replayed.answer.response()
            # The transaction of the request is still open here.
            await idempotency.keep(request.scope, response)
            return response

        return answer_once

    def _reading(
        self, answer: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        field = self.body_field
        if field is None:
            return answer
        is_required = field.field_info.is_required()

        async def read_and_answer(request: Request) -> Response:
            data, value = await request.body(), None
            try:
                value = await _read_json(request, data, is_required=is_required)
            except StepIQError as error:
                request.scope["stepiq.unreadable"] = error
            return await answer(_ReadRequest(request, data, value))

        return read_and_answer


async def _read_json(request: Request, data: bytes, *, is_required: bool) -> Json:
    if not data:
        if is_required:
            raise BodyMissing
        return None
    found = _media_type(request, JSON_TYPES)
    if not _is_json(found):
        raise UnsupportedMediaType(found, JSON_TYPES)
    return await offload.read(json.loads, data)


def _media_type(request: Request, accepted: Sequence[str]) -> str:
    header = request.headers.get("content-type", "")
    # For each parameter, the library parses the rest of the header again.
    if not header or len(header) > _LONGEST_TYPE:
        raise UnsupportedMediaType(header[:_LONGEST_TYPE], accepted)
    message = email.message.Message()
    message["content-type"] = header
    charset = message.get_param("charset", "utf-8")
    # It is not a string if it was sent as `charset*=`, which includes the name of an encoding. To decode it, Python
    # would look up the encoding, and cache its name forever.
    if not isinstance(charset, str) or charset.lower() not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(header, accepted)
    return message.get_content_type() if "/" in header else header


def _is_json(media_type: str) -> bool:
    return media_type == JSON_TYPES[0] or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def router(tag: str | Enum) -> APIRouter:
    """A router of strict routes, with one tag in the OpenAPI document."""
    return ApiRouter(route_class=StrictRoute, tags=[tag])


def prefers(accept: str | None, media_types: Sequence[str], other: str = JSON_TYPES[0]) -> bool:
    """Whether an `Accept` header contains one of these types and does not prefer the other type to it."""
    weights: dict[str, float] = {}
    for entry in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights[media_type] = max(weights.get(media_type, 0.0), _weight(parameters))
    weight = max((weights.get(name, 0.0) for name in media_types), default=0.0)
    return weight > 0 and weight >= weights.get(other, 0.0)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


async def _wants_yaml(
    accept: Annotated[
        str | None, Header(description="`application/yaml` for the definition's text.")
    ] = None,
) -> bool:
    return prefers(accept, YAML_TYPES)


WantsYaml = Annotated[bool, Depends(_wants_yaml)]
"""Whether the `Accept` header contains a YAML type and does not prefer JSON to it."""
