"""Requests of the API as values, and the responses to them."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from stepiq.client.errors import ResponseInvalidError

T = TypeVar("T")


class Omitted:
    """The type of `OMITTED`."""

    def __repr__(self) -> str:
        return "OMITTED"

    def __bool__(self) -> bool:
        return False


OMITTED: Final = Omitted()
"""The default of arguments that are not sent. None is sent as null."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
Id = str | UUID
Scalar = str | int | float | bool | datetime | date | UUID
QueryValue = Scalar | Iterable[Scalar] | None


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call. Repeated attempts send the same bytes, with the same `Idempotency-Key`."""

    method: str
    path: str
    query: Mapping[str, QueryValue] = field(default_factory=dict[str, QueryValue])
    headers: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    body: bytes | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    timeout: float | None = None
    """Seconds for one attempt. Default: that of the client."""
    wait: float | None = None
    """Seconds for which the server waits on purpose before it responds, in addition to `timeout`."""

    def __post_init__(self) -> None:
        """Refuse what could send the credential to another server, or what every server refuses.

        Raises:
            ValueError: the path or the idempotency key cannot be used.
        """
        if not self.path.startswith("/") or self.path.startswith("//"):
            raise ValueError(f"The path must begin with / and not with //: {self.path!r}")
        if self.idempotency_key is not None and not is_idempotency_key(self.idempotency_key):
            raise ValueError("An idempotency key must have 1 to 255 visible ASCII characters.")

    @property
    def target(self) -> str:
        """The path with the query string."""
        pairs = [
            (name, _query_text(each))
            for name, value in self.query.items()
            if value is not None
            for each in ([value] if isinstance(value, Scalar) else value)
        ]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    @property
    def can_repeat(self) -> bool:
        """Whether the request has the same effect if the server receives it twice."""
        if self.method == "PUT":
            # Each PUT saves a new version. With `If-Match`, the server refuses the second one.
            return "if-match" in self.sent_headers()
        return self.method != "POST" or self.idempotency_key is not None

    def sent_headers(self) -> dict[str, str]:
        """The headers of this request, in addition to those of the connection."""
        found = {name.lower(): value for name, value in self.headers.items() if value is not None}
        if self.body is None:
            found.pop("content-type", None)
        if self.idempotency_key is not None:
            found["idempotency-key"] = self.idempotency_key
        return found


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A successful response."""

    status: int
    headers: Mapping[str, str]
    """With names in lower case."""
    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    @property
    def request_id(self) -> str | None:
        """The id of the request in the log of the server."""
        return self.headers.get("x-request-id")

    def json(self) -> Any:
        """The body, parsed.

        Raises:
            ResponseInvalidError: it is not JSON.
        """
        try:
            return json.loads(self.content)
        except ValueError:
            raise self.invalid("The response is not JSON.") from None

    def parse(self, adapter: TypeAdapter[T]) -> T:
        """The body as an object of the library.

        Raises:
            ResponseInvalidError: it has another shape.
        """
        try:
            return adapter.validate_json(self.content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(each) for each in first["loc"])
            problem = f"The response is not as expected: {place}: {first['msg']}."
            raise self.invalid(problem) from None

    def invalid(self, message: str) -> ResponseInvalidError:
        """The error for a response that is not one of this API."""
        return ResponseInvalidError(
            f"{message} Is this the URL of a stepIQ server?",
            status=self.status,
            request_id=self.request_id,
        )


def path(template: str, **values: Scalar) -> str:
    """A path with values for its parameters.

    Raises:
        ValueError: a value is empty, or would name another path.
    """
    quoted: dict[str, str] = {}
    for name, value in values.items():
        text = str(value)
        if text in ("", ".", ".."):
            raise ValueError(f"{name} cannot be {text!r}")
        quoted[name] = quote(text, safe="")
    return template.format_map(quoted)


def json_body_of(value: Any) -> bytes:
    """A value as JSON: times in ISO 8601, models with the names of the API."""
    return to_json(value, by_alias=True)


def json_body(**fields: Any) -> bytes:
    """A JSON object without the omitted fields. A name that is reserved in Python ends with an underscore."""
    kept = {name.removesuffix("_"): value for name, value in fields.items() if value is not OMITTED}
    return json_body_of(kept)


def optional_body(**fields: Any) -> bytes | None:
    """The same. None if all fields are omitted."""
    is_empty = all(value is OMITTED for value in fields.values())
    return None if is_empty else json_body(**fields)


def free_body(body: Mapping[str, Any] | bytes) -> bytes:
    """A JSON object, or its text, which is sent unchanged."""
    return body if isinstance(body, bytes) else json_body_of(body)


def definition_body(
    definition: Mapping[str, Any] | str | bytes, **fields: Any
) -> tuple[bytes, str]:
    """The definition of a pipeline with other fields, and its content type. The server stores text unchanged."""
    if isinstance(definition, Mapping):
        return json_body(definition=definition, **fields), "application/json"
    text = definition.decode() if isinstance(definition, bytes) else definition
    if all(value is OMITTED for value in fields.values()):
        return text.encode(), "application/yaml"
    return json_body(text=text, **fields), "application/json"


def etag(version: int | str | None) -> str | None:
    """A version as the value of `If-Match`."""
    return f'"v{version}"' if isinstance(version, int) else version


def is_idempotency_key(text: str) -> bool:
    """Whether servers accept the text as an idempotency key."""
    return _KEY.fullmatch(text) is not None


def key_of(idempotency_key: str | None) -> str:
    """The key of the caller, else one that no other call has."""
    return secrets.token_urlsafe(24) if idempotency_key is None else idempotency_key


def _query_text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)
