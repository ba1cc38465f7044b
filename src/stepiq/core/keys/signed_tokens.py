"""Signed tokens. They are not stored, because they cannot be made without the server's secret."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from stepiq.core.keys import files as keys
from stepiq.core.settings.model import Settings

_TOKEN_BYTES = 48
"""Base64 encodes this length without padding."""
_ID_BYTES = 16
_EXPIRY_BYTES = 5


class Tokens:
    """Makes and verifies tokens that contain a claim. A token is valid for one purpose only."""

    def __init__(self, settings: Settings, purpose: bytes, claim_bytes: int) -> None:
        self._settings = settings
        self._purpose = purpose
        self._claim_bytes = claim_bytes

    @cached_property
    def _key(self) -> bytes:
        # Derived from the signing key on first use, because reading that key may create it.
        return hmac.digest(keys.jwt_secret(self._settings), self._purpose, hashlib.sha256)

    def make(self, claim: bytes) -> str:
        """The signed token of a claim."""
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


class ExpiringTokens:
    """Makes and verifies tokens that contain an id and an expiry time in whole seconds."""

    def __init__(self, settings: Settings, purpose: bytes) -> None:
        self._tokens = Tokens(settings, purpose, _ID_BYTES + _EXPIRY_BYTES)

    def make(self, subject: UUID, expires_at: datetime) -> str:
        """The signed token of an id and an expiry time."""
        return self._tokens.make(
            subject.bytes + int(expires_at.timestamp()).to_bytes(_EXPIRY_BYTES)
        )

    def read(self, token: str) -> tuple[UUID, datetime] | None:
        """The id and the expiry time, which can be in the past. None as for `Tokens.read`."""
        claim = self._tokens.read(token)
        if claim is None:
            return None
        expires_at = datetime.fromtimestamp(int.from_bytes(claim[_ID_BYTES:]), UTC)
        return UUID(bytes=claim[:_ID_BYTES]), expires_at
