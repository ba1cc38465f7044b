"""What an attempt sends, made anew for each."""

from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.notify.records import Occasion
from stepiq.redaction.masking import Masker


@dataclass(frozen=True, slots=True)
class Unsendable:
    """There is nothing that could be sent."""

    reason: str
    """Fit for the pipeline's owner: what is wrong, and what to do; never a secret."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The recipient has to confirm first."""

    to: str
    sender: str
    """The address of the account that wants to write to them."""


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A request, but for what each attempt adds to it."""

    method: str
    url: str
    headers: dict[str, str]
    signing_secret: str
    occasion: Occasion
    shown: dict[str, Json]
    """The target as the API shows it."""
    masker: Masker


@dataclass(frozen=True, slots=True)
class MailCall:
    """A mail to one address."""

    to: str
    subject: str
    text: str
    shown: dict[str, Json]
    """The target as the API shows it."""
    masker: Masker
    is_confidential: bool = False
    """Whether its text contains a link that needs no credential. What a mail server answers may quote it, and is not kept."""
