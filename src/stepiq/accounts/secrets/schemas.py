"""Shapes of secrets in the API. None of them has a value."""

import re
import unicodedata
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from stepiq.core.http.hosts import Host, HostInvalid
from stepiq.web.bodies import StrictModel, Timestamp, View

_MOST_COMPARED = 200
_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        # Decomposing a long text takes quadratic time.
        near = _nearest_name(text[:_MOST_COMPARED])
        hint = f" Did you mean `{near}`?" if near else ""
        raise PydanticCustomError(
            "invalid_name",
            "Must have 1 to 100 letters, digits and `_`, and must not begin with a digit.{hint}",
            {"hint": hint},
        )
    return text


def _nearest_name(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain.removeprefix("env.")).strip("_")
    return f"_{name}"[:100] if name[:1].isdigit() else name[:100]


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": _NAME})]
Value = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


def _host(text: str) -> str:
    try:
        return str(Host.parse(text))
    except HostInvalid as problem:
        raise PydanticCustomError(
            "invalid_host", "Invalid host. {problem}", {"problem": str(problem)}
        ) from None


_MAX_HOST = len("*.") + 253 + len(":65535")
HostName = Annotated[
    str, StringConstraints(min_length=1, max_length=_MAX_HOST), AfterValidator(_host)
]
Hosts = Annotated[
    list[HostName],
    Field(min_length=1, max_length=50),
    AfterValidator(lambda hosts: list(dict.fromkeys(hosts))),
]


class NewSecret(StrictModel):
    """A new secret, or a new value of an existing one."""

    name: Name
    """Its name in templates: `env.NAME`. At most 100 letters, digits and `_`, not starting with a digit."""
    value: Value
    """At most 10,000 characters. No route returns it."""
    hosts: Hosts | None = None
    """The only hosts that the value may be sent to, such as `api.example.com`, `*.example.com` for subdomains, or
    `api.example.com:8443` for one port. Null allows every host. Without the field, an existing secret keeps its list."""


class SecretView(View):
    """A secret, without its value."""

    id: UUID
    name: str
    pipeline_id: UUID | None
    """The pipeline that it belongs to; null for a secret of the workspace."""
    hosts: list[str] | None
    """The only hosts that the value may be sent to; null for every host."""
    created_at: Timestamp
    updated_at: Timestamp
    """When its value was last stored."""
    last_used_at: Timestamp | None
    """When a run or a delivery last used it, accurate to the minute."""


class UsingPipelineView(View):
    """A pipeline that uses a secret."""

    id: UUID
    name: str


class SecretUseView(View):
    """The active pipelines whose newest version uses a secret."""

    used_by: list[UsingPipelineView]
    """At most 20 pipelines, newest first."""
    used_by_count: int


class ListedSecretView(SecretView, SecretUseView):
    """A secret of the workspace and its use."""


class MissingSecretView(SecretUseView):
    """A secret that pipelines use and that is not stored."""

    name: str


class StoredSecret(SecretView):
    """A stored secret."""

    warning: str | None
    """What to check about the secret, or null."""


class DeletedSecret(View):
    """A deleted secret."""

    id: UUID
    deleted: bool = True
