"""`webhook`: a call to another system, whose response is the step's output."""

from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.language.data import as_integer, is_array, is_object
from stepiq.language.http_fields import CONNECTION_HEADERS, read_headers, read_url
from stepiq.language.reports import FieldReader
from stepiq.language.shapes import STRING_FIELD, record
from stepiq.language.specs import StepSpec
from stepiq.language.step_types import ReadSteps, StepType
from stepiq.language.template_tree import TemplateTree, read_tree
from stepiq.language.templates import Template, secret_names_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_WITHOUT_BODY = ("GET", "HEAD")
# The server sets the idempotency key, by which receivers recognize repeated calls.
_OURS = CONNECTION_HEADERS | {"idempotency-key"}
MAX_STATUSES = 50
STATUSES = (100, 599)
"""Lowest and highest valid status."""


@dataclass(frozen=True, slots=True)
class WebhookSpec(StepSpec):
    """One HTTP call."""

    external_action = "send a request"

    url: Template
    method: str
    headers: tuple[tuple[str, Template], ...]
    body: Template | TemplateTree | None
    expect_status: tuple[int, ...] | None
    """None for any from 200 to 299."""

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the call may send."""
        names = secret_names_of(self.url, *(value for _, value in self.headers))
        return names if self.body is None else names | self.body.secret_names


def _read(fields: FieldReader, _: ReadSteps) -> WebhookSpec | None:
    url = read_url(fields, "https://api.example.com/tickets")
    method = fields.choice("method", METHODS)
    headers = read_headers(fields, _header_problem)
    body = None
    if method in _WITHOUT_BODY and fields.has("body"):
        fields.refuse(
            "body",
            "conflict",
            f"A {method} request cannot have a body. Remove `body`, or use POST.",
        )
    else:
        body = _read_body(fields)
    statuses = _read_statuses(fields)
    if url is None:
        return None
    return WebhookSpec(
        url=url,
        method=method or ("POST" if fields.has("body") else "GET"),
        headers=tuple(headers.items()),
        body=body,
        expect_status=statuses,
    )


def _read_body(fields: FieldReader) -> Template | TemplateTree | None:
    value = fields.raw("body")
    if is_object(value) or is_array(value):
        return read_tree(fields.draft, (*fields.path, "body"), value)
    if value is not None and not isinstance(value, str):
        fields.refuse("body", "wrong_type", "`body` must be a string, an object or a list.")
        return None
    return fields.template("body")


def _read_statuses(fields: FieldReader) -> tuple[int, ...] | None:
    value = fields.raw("expect_status")
    if value is None:
        return None
    written: list[Json] = value if is_array(value) else [value]
    codes = [code for each in written if (code := as_integer(each)) is not None]
    is_right = len(codes) == len(written) and all(
        STATUSES[0] <= code <= STATUSES[1] for code in codes
    )
    if not is_right or not 1 <= len(written) <= MAX_STATUSES:
        message = "`expect_status` must be an HTTP status such as 201, or a list of them."
        fields.refuse("expect_status", "invalid_format", message)
        return None
    return tuple(codes)


def _header_problem(name: str) -> tuple[str, str] | None:
    if name.lower() in _OURS or name.lower().startswith("proxy-"):
        return "not_allowed", f"The server sets the header `{name}`. Remove it."
    return None


_OUTPUT = record(
    status={"type": "integer"},
    headers={"type": "object", "additionalProperties": STRING_FIELD},
    body={},
)


STEP_TYPE = StepType(
    fields=frozenset({"url", "method", "headers", "body", "expect_status"}),
    read=_read,
    output_fields=frozenset({"status", "headers", "body"}),
    output=lambda _: _OUTPUT,
)
