"""Links that work without an account. None of them is stored.

The token of a link states what it gives access to and proves it: nobody can make one without the server's secret. It is in the
part of the address behind `#`, which browsers do not send, so that it gets into no log of a server or proxy.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID

from stepiq.core import clock, keys
from stepiq.core.settings import Settings
from stepiq.runs.errors import RunLinkExpired, RunLinkInvalid

RUN_PAGE_PATH = "/run-status"
RUN_LINK_LIFETIME = timedelta(days=30)

_TOKEN_BYTES = 48
"""Base64 writes them without padding."""
_ID_BYTES = 16
_EXPIRY_BYTES = 5


class Tokens:
    """Makes and reads tokens that prove a claim. Those of one purpose mean nothing for another."""

    def __init__(self, settings: Settings, purpose: bytes, claim_bytes: int) -> None:
        self._settings = settings
        self._purpose = purpose
        self._claim_bytes = claim_bytes

    @cached_property
    def _key(self) -> bytes:
        # Derived from the signing key on first use, because reading that key may create it.
        return hmac.digest(keys.jwt_secret(self._settings), self._purpose, hashlib.sha256)

    def make(self, claim: bytes) -> str:
        """The token that proves a claim."""
        return base64.urlsafe_b64encode(claim + self._proof(claim)).decode()

    def read(self, token: str) -> bytes | None:
        """The claim of a token; None if this server did not make it for this purpose."""
        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return None
        claim, proof = raw[: self._claim_bytes], raw[self._claim_bytes :]
        return claim if hmac.compare_digest(proof, self._proof(claim)) else None

    def _proof(self, claim: bytes) -> bytes:
        length = _TOKEN_BYTES - self._claim_bytes
        return hmac.digest(self._key, claim, hashlib.sha256)[:length]


class RunLinks:
    """Links to the status of one run, for people who may have no account."""

    def __init__(self, settings: Settings) -> None:
        self._base_url = settings.base_url
        self._tokens = Tokens(settings, b"stepiq run links", _ID_BYTES + _EXPIRY_BYTES)

    def url(self, token: str) -> str:
        """The address of the page that shows the run."""
        return f"{self._base_url}{RUN_PAGE_PATH}#{token}"

    def token(self, run_id: UUID, expires_at: datetime) -> str:
        """The token of a link to a run."""
        return self._tokens.make(run_id.bytes + int(expires_at.timestamp()).to_bytes(_EXPIRY_BYTES))

    def read(self, token: str) -> tuple[UUID, datetime]:
        """The run that a token gives access to, and until when.

        Raises:
            RunLinkInvalid: this server did not make it.
            RunLinkExpired: it is too old.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise RunLinkInvalid
        expires_at = datetime.fromtimestamp(int.from_bytes(claim[_ID_BYTES:]), UTC)
        if clock.now() >= expires_at:
            raise RunLinkExpired(expires_at)
        return UUID(bytes=claim[:_ID_BYTES]), expires_at
