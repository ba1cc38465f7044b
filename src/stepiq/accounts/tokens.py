"""Access tokens (JWT, HS256, 15 minutes) and refresh tokens (opaque, 30 days).

An access token names its session, and counts only as long as that one does.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt

from stepiq.accounts.errors import CredentialInvalid
from stepiq.core import clock, ids

ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=30)

_ALGORITHM = "HS256"
_ISSUER = "stepiq"
_TYPE = "at+jwt"  # RFC 9068: no other kind of token of ours can be passed off as this one
_MAX_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a checked access token says."""

    user_id: UUID
    session_id: UUID


class AccessTokens:
    """Makes and checks access tokens."""

    def __init__(self, secret: bytes, audience: str) -> None:
        self._secret = secret
        self._audience = audience

    def issue(self, user_id: UUID, session_id: UUID) -> str:
        """A token for one session, good for `ACCESS_LIFETIME`."""
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
        """What a token says, once signature, kind, issuer, audience and time are right.

        Raises:
            CredentialInvalid: one of them is not.
        """
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
        if len(token) > _MAX_LENGTH:
            raise jwt.InvalidTokenError
        complete = jwt.decode_complete(
            token,
            self._secret,
            algorithms=[_ALGORITHM],
            audience=self._audience,
            issuer=_ISSUER,
            # Time is compared below with our own clock, which tests can move.
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
    """An opaque token, a random text of 256 bits; only its digest is stored."""
    return secrets.token_urlsafe(32)
