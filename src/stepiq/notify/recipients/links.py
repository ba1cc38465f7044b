"""Links with which a recipient confirms or refuses emails. None of them is stored.

The token is in the part of the address behind `#`, as in `runs.links`. It proves the recipient, and until when they can confirm.
They can refuse at any time.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core.settings import Settings
from stepiq.core.signed_tokens import ExpiringTokens
from stepiq.notify.errors import RecipientLinkInvalid

PAGE_PATH = "/confirm-recipient"


@dataclass(frozen=True, slots=True)
class RecipientLink:
    """What the token of a link proves."""

    recipient_id: UUID
    confirms_until: datetime
    """Can be in the past. The link then only refuses."""


class RecipientLinks:
    """Makes links, and reads their tokens."""

    def __init__(self, settings: Settings) -> None:
        self._base_url = settings.base_url
        self._tokens = ExpiringTokens(settings, b"stepiq recipients")

    def url(self, link: RecipientLink) -> str:
        """The address of the page that confirms or refuses."""
        return f"{self._base_url}{PAGE_PATH}#token={self.token(link)}"

    def token(self, link: RecipientLink) -> str:
        """The token of a link."""
        return self._tokens.make(link.recipient_id, link.confirms_until)

    def read(self, token: str) -> RecipientLink:
        """What a token proves.

        Raises:
            RecipientLinkInvalid: this server did not make it.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise RecipientLinkInvalid
        return RecipientLink(*claim)
