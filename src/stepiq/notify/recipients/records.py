"""Recipients of email as rows, and their status."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class RecipientStatus(StrEnum):
    """Whether a recipient wants the emails of a workspace."""

    CONFIRMED = "confirmed"
    """Gets the emails."""
    ASKED = "asked"
    """Has the email with the question. Other emails are held."""
    NOT_ASKED = "not_asked"
    """The email with the question has not been sent yet, or could not be sent."""
    EXPIRED = "expired"
    """Did not answer in time. The next email to this address asks again."""
    REFUSED = "refused"
    """Does not want emails from this server."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address that a workspace sends email to."""

    id: UUID
    workspace_id: UUID
    email: str
    asked_at: datetime
    """When the current request for confirmation began. A retry of its email does not change it."""
    sent_at: datetime | None
    """When the mail server accepted the confirmation email."""
    retry_at: datetime | None
    """When the next retry may start; None: at any time."""
    confirmed_at: datetime | None
