"""`webhook`: a call to another system, whose response is the step's output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stepiq.core.json import Json
from stepiq.language.data import as_integer, is_array, is_object
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType
from stepiq.language.fields import http as http_fields
from stepiq.language.fields.description import choice, described, read_template
from stepiq.language.fields.reader import FieldReader, Report
from stepiq.language.fields.schema import Node
from stepiq.language.places import Path
from stepiq.language.schemas.validation import STRING_FIELD, record
from stepiq.language.templates import RenderMeter, Template, secret_names_of

_Node: TypeAlias = "Json | Template | list[_Node] | dict[str, _Node]"


@dataclass(frozen=True, slots=True)
class TemplateTree:
    """An object or a list with compiled texts."""

    root: _Node

    @property
    def secret_names(self) -> frozenset[str]:
        """Every NAME that one of its templates reads as `env.NAME`."""
        return _secret_names(self.root)

    def render(self, context: Mapping[str, Json], meter: RenderMeter | None = None) -> Json:
        """The data with every template rendered. Keys stay as written; a rendered template is always a text.

        Args:
            context: as for `Template.render`.
            meter: limit for all templates together; by default that of one template.

        Raises:
            TemplateError: as for `Template.render`.
        """
        return _render(self.root, context, meter or RenderMeter())


def _render(node: _Node, context: Mapping[str, Json], meter: RenderMeter) -> Json:
    if isinstance(node, Template):
        return node.render(context, meter)
    if isinstance(node, dict):
        return {name: _render(inner, context, meter) for name, inner in node.items()}
    if isinstance(node, list):
        return [_render(inner, context, meter) for inner in node]
    return node


def _secret_names(node: _Node) -> frozenset[str]:
    if isinstance(node, Template):
        return node.secret_names
    inner = node.values() if is_object(node) else node if is_array(node) else ()
    return frozenset[str]().union(*map(_secret_names, inner))


def read_tree(draft: Report, path: Path, value: Json) -> TemplateTree:
    """Compile every text of a value at a path; problems are reported."""
    return TemplateTree(_compile(draft, path, value))


def _compile(draft: Report, path: Path, value: Json) -> _Node:
    if isinstance(value, str):
        return draft.template(path, value)
    if is_object(value):
        return {name: _compile(draft, (*path, name), inner) for name, inner in value.items()}
    if is_array(value):
        return [_compile(draft, (*path, index), inner) for index, inner in enumerate(value)]
    return value


_WITHOUT_BODY = ("GET", "HEAD")
# The server sets the idempotency key, by which receivers recognize repeated calls.
_OURS = http_fields.CONNECTION_HEADERS | {"idempotency-key"}
MAX_STATUSES = 50
_STATUS: Node = {"minimum": 100, "maximum": 599}
_STATUSES: Node = {
    "type": ["integer", "array"],
    **_STATUS,
    "items": {"type": "integer", **_STATUS},
    "minItems": 1,
    "maxItems": MAX_STATUSES,
}


def _header_problem(name: str) -> tuple[str, str] | None:
    if name.lower() in _OURS or name.lower().startswith("proxy-"):
        return "not_allowed", f"The server sets the header `{name}`. Remove it."
    return None


def _read_body(fields: FieldReader, name: str) -> Template | TemplateTree | None:
    value = fields.raw(name)
    if (method := fields.raw("method")) in _WITHOUT_BODY:
        message = f"A {method} request cannot have a body. Remove `body`, or use POST."
        fields.refuse(name, "conflict", message)
        return None
    if is_object(value) or is_array(value):
        return read_tree(fields.draft, (*fields.path, name), value)
    if not isinstance(value, str):
        fields.refuse(name, "wrong_type", "`body` must be a string, an object or a list.")
        return None
    return read_template(fields, name)


def _read_statuses(fields: FieldReader, name: str) -> tuple[int, ...] | None:
    value = fields.raw(name)
    written: list[Json] = value if is_array(value) else [value]
    codes = [code for each in written if (code := as_integer(each)) is not None]
    is_right = len(codes) == len(written) and all(100 <= code <= 599 for code in codes)
    if is_right and 1 <= len(written) <= MAX_STATUSES:
        return tuple(codes)
    message = "`expect_status` must be an HTTP status such as 201, or a list of them."
    fields.refuse(name, "invalid_format", message)
    return None


@dataclass(frozen=True, slots=True)
class WebhookSpec(StepSpec):
    """One HTTP call."""

    external_action = "send a request"

    url: Template = http_fields.url("The address of the request.").required(
        "url: https://api.example.com/tickets"
    )
    written_method: str | None = choice(
        "Method",
        "The HTTP method.",
        {
            "GET": "Reads data. The default without a body.",
            "POST": "Sends data. The default with a body.",
            "PUT": "Creates or replaces something.",
            "PATCH": "Changes a part of something.",
            "DELETE": "Removes.",
            "HEAD": "Reads the headers.",
        },
    ).optional(name="method")
    headers: tuple[tuple[str, Template], ...] = (
        http_fields.headers(
            "Headers by name. The server sets `Idempotency-Key` and the headers of the connection.",
            _header_problem,
        )
        .converted(lambda found: tuple(found.items()))
        .default(())
    )
    body: Template | TemplateTree | None = described(
        "Body",
        "A template, or an object or list whose strings are templates.",
        {"type": ["string", "object", "array"], "minLength": 1},
        _read_body,
    ).optional()
    expect_status: tuple[int, ...] | None = described(
        "Expected status",
        "A status, or a list of them. Default: any 2xx.",
        _STATUSES,
        _read_statuses,
    ).optional()
    """None for any from 200 to 299."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.written_method or ("GET" if self.body is None else "POST")

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the call may send."""
        names = secret_names_of(self.url, *(value for _, value in self.headers))
        return names if self.body is None else names | self.body.secret_names


_OUTPUT = record(
    status={"type": "integer"},
    headers={"type": "object", "additionalProperties": STRING_FIELD},
    body={},
)


STEP_TYPE = StepType(
    WebhookSpec,
    "Sends an HTTP request to another system.",
    snippet={"id": "${1:call}", "type": "webhook", "url": "${2:https://api.example.com/}"},
    output_fields=frozenset({"status", "headers", "body"}),
    output=lambda _: _OUTPUT,
)
