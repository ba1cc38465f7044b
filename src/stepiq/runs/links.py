"""Links that work without an account. Links are not stored.

A link's token is signed and identifies the resource. It is in the URL fragment, which browsers do not send, so it does
not appear in the logs of servers and proxies.
"""

from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import clock
from stepiq.core.keys.encryption import ExpiringTokens
from stepiq.core.settings.model import Settings
from stepiq.runs.errors import RunLinkExpired, RunLinkInvalid

RUN_PAGE_PATH = "/run-status"
RUN_LINK_LIFETIME = timedelta(days=30)


class RunLinks:
    """Links to the status of one run, which need no account."""

    def __init__(self, settings: Settings) -> None:
        self._base_url = settings.base_url
        self._tokens = ExpiringTokens(settings, b"stepiq run links")

    def url(self, token: str) -> str:
        """The address of the page that shows the run."""
        return f"{self._base_url}{RUN_PAGE_PATH}#{token}"

    def token(self, run_id: UUID, expires_at: datetime) -> str:
        """The token of a link to a run."""
        return self._tokens.make(run_id, expires_at)

    def read(self, token: str) -> tuple[UUID, datetime]:
        """Verify a token; returns the run's id and the token's expiry.

        Raises:
            RunLinkInvalid: this server did not create the token.
            RunLinkExpired: the token has expired.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise RunLinkInvalid
        run_id, expires_at = claim
        if clock.now() >= expires_at:
            raise RunLinkExpired(expires_at)
        return run_id, expires_at
