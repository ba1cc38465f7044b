"""Links that work without an account. None of them is stored.

The token of a link states what it gives access to and proves it. It is in the part of the address behind `#`, which browsers do
not send, so that it gets into no log of a server or proxy.
"""

from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import clock
from stepiq.core.settings import Settings
from stepiq.core.signed_tokens import ExpiringTokens
from stepiq.runs.errors import RunLinkExpired, RunLinkInvalid

RUN_PAGE_PATH = "/run-status"
RUN_LINK_LIFETIME = timedelta(days=30)


class RunLinks:
    """Links to the status of one run, for people who may have no account."""

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
        """The run that a token gives access to, and until when.

        Raises:
            RunLinkInvalid: this server did not make it.
            RunLinkExpired: it is too old.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise RunLinkInvalid
        run_id, expires_at = claim
        if clock.now() >= expires_at:
            raise RunLinkExpired(expires_at)
        return run_id, expires_at
