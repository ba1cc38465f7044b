"""Shapes of email recipients in the API."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from stepiq.notify.recipients.records import RecipientStatus
from stepiq.web.bodies import StrictModel, Timestamp, View


class RecipientToken(StrictModel):
    """The token of the email that asks a recipient."""

    token: Annotated[str, StringConstraints(max_length=200)]


class RecipientView(View):
    """A recipient of email."""

    email: str
    confirmed: bool
    """Whether the workspace may send emails to this address."""
    released: int
    """Number of held emails that are sent now."""


class ListedRecipientView(View):
    """An address outside the workspace that its pipelines send emails to."""

    id: UUID
    email: str
    status: RecipientStatus
    asked_at: Timestamp
    """When the current request for confirmation began."""
    confirmed_at: Timestamp | None
    expires_at: Timestamp | None
    """Until when the recipient can confirm; null unless the status is `asked`."""
