"""Links that let an assignee decide one review without an account. None of them is stored.

A token says which review and which of its assignees, and proves it: nobody makes one without the server's secret. It is worth
something only as long as the review is open, which is over with the first decision.
"""

import base64
import hashlib
import hmac
from functools import cached_property
from uuid import UUID

from stepiq.core import keys
from stepiq.core.settings import Settings
from stepiq.runs.reviews.errors import ReviewLinkInvalid
from stepiq.runs.reviews.records import LinkHolder

PAGE_PATH = "/review"

_PURPOSE = b"stepiq review links"
_CLAIM_BYTES = 17  # a review's id, and one for the assignee
_PROOF_BYTES = 31  # all that is left of 48, which base64 writes without a rest


class Links:
    """Makes links, and reads their tokens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _key(self) -> bytes:
        # Made of the signing key on first need: reading that one may make it.
        return hmac.digest(keys.jwt_secret(self._settings), _PURPOSE, hashlib.sha256)

    def url(self, holder: LinkHolder) -> str:
        """The link of one assignee of a review."""
        # Behind `#`, which no browser sends: else it would stand in the logs of servers and proxies.
        return f"{self._settings.base_url}{PAGE_PATH}#{self.token(holder)}"

    def token(self, holder: LinkHolder) -> str:
        """What the link of one assignee of a review carries."""
        claim = holder.review_id.bytes + holder.assignee.to_bytes(1)
        return base64.urlsafe_b64encode(claim + self._proof(claim)).decode()

    def read(self, token: str) -> LinkHolder:
        """Who holds a token.

        Raises:
            ReviewLinkInvalid: this server did not make it.
        """
        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            raise ReviewLinkInvalid from None
        claim, proof = raw[:_CLAIM_BYTES], raw[_CLAIM_BYTES:]
        if not hmac.compare_digest(proof, self._proof(claim)):
            raise ReviewLinkInvalid
        return LinkHolder(UUID(bytes=claim[:16]), claim[16])

    def _proof(self, claim: bytes) -> bytes:
        return hmac.digest(self._key, claim, hashlib.sha256)[:_PROOF_BYTES]
