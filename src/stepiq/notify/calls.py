"""Requests and mails that an attempt sends. They are built again for each attempt."""

from dataclasses import dataclass, field

from stepiq.language.definitions.targets import ChatService
from stepiq.notify.records import Occasion, SentRequest, ShownTarget
from stepiq.redaction.masking import Masker


@dataclass(frozen=True, slots=True)
class Unsendable:
    """The delivery cannot be sent."""

    reason: str
    """Shown to the pipeline's owner: what is wrong, and what to do."""
    masker: Masker = field(default_factory=lambda: Masker({}))
    """Masks the secrets that the reason can contain."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The recipient must confirm before the mail can be sent."""

    to: str
    sender: str
    """Email address of the sending account."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message for a chat service."""

    service: ChatService
    link: str
    """URL of the page of the run."""


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A webhook request, without the body and the headers that each attempt adds."""

    method: str
    url: str
    headers: dict[str, str]
    signing_secret: str | None
    """None for a message of a chat service, which is not signed."""
    occasion: Occasion
    shown: ShownTarget
    """The target as the API shows it."""
    shown_headers: dict[str, str]
    """The headers of `headers` as the API shows them."""
    masker: Masker
    message: ChatMessage | None
    """Sent instead of an event."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The request of one webhook attempt."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    sent: SentRequest
    """The request as it is stored."""
    masker: Masker


@dataclass(frozen=True, slots=True)
class MailCall:
    """A mail to one address."""

    to: str
    subject: str
    text: str
    shown: ShownTarget
    """The target as the API shows it."""
    masker: Masker
    is_confidential: bool = False
    """Whether the text contains a link that needs no credential. Replies may quote it, so they are not stored."""
