"""What a document says about the world around its runs: who starts them, and who hears how they ended."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from stepiq.language.templates import Template, secret_names_of


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A signed request to another system."""

    url: Template
    method: Literal["POST", "PUT"]
    signing_secret_name: str
    """Of the stored secret whose bytes are the key; there is no delivery without it."""
    headers: dict[str, Template]
    """Beside ours, which no document can set."""

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the request may send."""
        return secret_names_of(self.url, *self.headers.values())


@dataclass(frozen=True, slots=True)
class EmailTarget:
    """A message to people."""

    to: tuple[str, ...]
    subject: Template | None
    """None leaves the words to the server."""


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """The answer to the call that started the run: it waits for the run's end."""


DeliveryTarget = WebhookTarget | EmailTarget | ApiTarget
NotificationTarget = WebhookTarget | EmailTarget


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """The pipeline's own schedule."""

    enabled: bool
    cron: str
    """Five fields, checked."""
    timezone: str
    """A name of the IANA database, checked."""


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
    """What an inbound webhook must prove beside the key."""

    scheme: VerifyScheme
    secret_name: str
    header: str
    """Where a signature of scheme `hmac-sha256` stands; the other schemes have their own headers."""
