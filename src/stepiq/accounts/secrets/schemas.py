"""Shapes of secrets in the API. None of them has a value."""

import re
import unicodedata
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from stepiq.web.bodies import StrictModel, Timestamp, View

_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        near = _nearest_name(text)
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
