"""Links with which a recipient confirms or refuses emails. Links are not stored.

The token is in the URL fragment, as in `runs.links`. It identifies the recipient and contains the time until which they
can confirm. They can refuse at any time.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core.keys.signed_tokens import ExpiringTokens
from stepiq.core.settings.model import Settings
from stepiq.notify.errors import RecipientLinkInvalid

PAGE_PATH = "/confirm-recipient"


@dataclass(frozen=True, slots=True)
class RecipientLink:
    """The signed content of a link's token."""

    recipient_id: UUID
    confirms_until: datetime
    """May be in the past. The link can then only refuse."""


class RecipientLinks:
    """Creates links and verifies their tokens."""

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
        """Verify a token and return its content. The time limit is not checked.

        Raises:
            RecipientLinkInvalid: this server did not create the token.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise RecipientLinkInvalid
        return RecipientLink(*claim)
