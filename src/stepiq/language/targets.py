"""Triggers of a pipeline, and the recipients of its results."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from stepiq.language.templates import Template, secret_names_of


class ChatService(StrEnum):
    """A service that shows messages to people, and that cannot verify signatures."""

    SLACK = "slack"
    TEAMS = "teams"


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A request to another system: a signed event, or a message for a chat service."""

    url: Template
    method: Literal["POST", "PUT"]
    signing_secret_name: str | None
    """Name of the stored secret whose bytes are the key. Nothing is delivered without it. None for a chat service."""
    headers: dict[str, Template]
    """In addition to the server's headers, which a document cannot set."""
    chat: ChatService | None = None
    """Whose message is sent instead of an event. The URL is then the credential."""

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the request may send."""
        return secret_names_of(self.url, *self.headers.values())


@dataclass(frozen=True, slots=True)
class EmailTarget:
    """An email."""

    to: tuple[str, ...]
    subject: Template | None
    """None for the server's default subject."""


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """The response to the call that started the run, which waits for the run's end."""


DeliveryTarget = WebhookTarget | EmailTarget | ApiTarget
NotificationTarget = WebhookTarget | EmailTarget


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """The pipeline's own schedule."""

    enabled: bool
    cron: str
    """Five fields, validated."""
    timezone: str
    """An IANA name, validated."""


class VerifyScheme(StrEnum):
    """How the sender of an inbound webhook signs."""

    GITHUB = "github"
    STRIPE = "stripe"
    STANDARD = "standard"
    """Standard Webhooks 1.0."""
    HMAC_SHA256 = "hmac-sha256"
    """HMAC of the body, in hexadecimal or base64."""


@dataclass(frozen=True, slots=True)
class VerifySpec:
    """The signature that an inbound webhook needs in addition to the API key."""

    scheme: VerifyScheme
    secret_name: str
    header: str
    """The header with a signature of scheme `hmac-sha256`; the other schemes have fixed headers."""
