"""Access tokens (JWT, HS256, 15 minutes) and refresh tokens (opaque, 30 days).

An access token contains the id of its session, and is valid only while the session is.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts.errors import CredentialInvalid
from stepiq.core import clock, ids

ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=30)

_ALGORITHM = "HS256"
_ISSUER = "stepiq"
_TYPE = "at+jwt"  # RFC 9068: prevents the use of another kind of JWT as an access token
_MAX_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The claims of a verified access token."""

    user_id: UUID
    session_id: UUID


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, secret: bytes, audience: str) -> None:
        self._secret = secret
        self._audience = audience

    def issue(self, user_id: UUID, session_id: UUID) -> str:
        """Issue a token for one session, valid for `ACCESS_LIFETIME`."""
        import jwt

        now = clock.now()
        claims = {
            "iss": _ISSUER,
            "aud": self._audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": int(now.timestamp()),
            "exp": int((now + ACCESS_LIFETIME).timestamp()),
        }
        return jwt.encode(claims, self._secret, _ALGORITHM, headers={"typ": _TYPE})

    def check(self, token: str) -> AccessClaims:
        """Verify a token's signature, type, issuer, audience and expiry; returns its claims.

        Raises:
            CredentialInvalid: the token is not valid.
        """
        import jwt

        try:
            claims = self._decode(token)
            user_id, session_id = ids.parse(claims["sub"]), ids.parse(claims["sid"])
            if user_id is None or session_id is None:
                raise jwt.InvalidTokenError
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise CredentialInvalid(
                "The access token is not valid, or it has expired. Log in again."
            ) from None
        return AccessClaims(user_id, session_id)

    def _decode(self, token: str) -> dict[str, Any]:
        import jwt

        if len(token) > _MAX_LENGTH:
            raise jwt.InvalidTokenError
        complete = jwt.decode_complete(
            token,
            self._secret,
            algorithms=[_ALGORITHM],
            audience=self._audience,
            issuer=_ISSUER,
            # The expiry is checked below with `core.clock`, which tests can change.
            options={
                "require": ["exp", "iat", "sub", "sid", "aud", "iss"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        claims: dict[str, Any] = complete["payload"]
        if complete["header"].get("typ") != _TYPE or not isinstance(claims["exp"], int):
            raise jwt.InvalidTokenError
        if claims["exp"] <= clock.now().timestamp():
            raise jwt.ExpiredSignatureError
        return claims


def new_token() -> str:
    """A random opaque token of 256 bits. Only its digest is stored."""
    return secrets.token_urlsafe(32)
