"""Shapes of secrets in the API. None of them has a value."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from stepiq.web.bodies import StrictModel, Timestamp, View

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Value = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class NewSecret(StrictModel):
    """A secret to be stored, or a new value of one that is."""

    name: Name
    """How templates call it: `env.NAME`. Letters, digits and `_`, not starting with a digit, at most 100."""
    value: Value
    """At most 10,000 characters. No answer repeats it."""


class SecretView(View):
    """A secret, without its value."""

    id: UUID
    name: str
    pipeline_id: UUID | None
    """The pipeline it belongs to; null for one of the whole account."""
    created_at: Timestamp
    updated_at: Timestamp
    """When its value was stored last."""


class StoredSecret(SecretView):
    """A secret just stored."""

    warning: str | None
    """What to know about its value; null if nothing."""


class DeletedSecret(View):
    """A secret that is gone."""

    id: UUID
    deleted: bool = True
