"""Links that let an assignee decide one review without an account.

A token contains the id of the review and one of its assignees. It works while the review is open, so only until the
first decision.
"""

from uuid import UUID

from stepiq.core.keys.encryption import Tokens
from stepiq.core.settings.model import Settings
from stepiq.runs.reviews.errors import ReviewLinkInvalid
from stepiq.runs.reviews.records import LinkHolder

PAGE_PATH = "/review"

_CLAIM_BYTES = 17  # the id of a review, and one byte for the assignee


class ReviewLinks:
    """Creates links and verifies their tokens."""

    def __init__(self, settings: Settings) -> None:
        self._base_url = settings.base_url
        self._tokens = Tokens(settings, b"stepiq review links", _CLAIM_BYTES)

    def url(self, holder: LinkHolder) -> str:
        """The link of one assignee of a review."""
        return f"{self._base_url}{PAGE_PATH}#{self.token(holder)}"

    def token(self, holder: LinkHolder) -> str:
        """The token in the link of one assignee of a review."""
        return self._tokens.make(holder.review_id.bytes + holder.assignee.to_bytes(1))

    def read(self, token: str) -> LinkHolder:
        """The holder of a token.

        Raises:
            ReviewLinkInvalid: this server did not create the token.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise ReviewLinkInvalid
        return LinkHolder(UUID(bytes=claim[:16]), claim[16])
