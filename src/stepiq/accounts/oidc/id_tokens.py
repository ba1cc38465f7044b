"""Checks ID tokens, as OpenID Connect Core 1.0, section 3.1.3.7, demands. Only asymmetric signatures are accepted."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

from stepiq.accounts.oidc.errors import SignInFailed, SignInFailure
from stepiq.core import clock

if TYPE_CHECKING:
    from jwt import PyJWK

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})  # fmt: skip
"""Accepted signatures. With a symmetric one, everyone who knows the client secret could sign tokens."""
LEEWAY = timedelta(minutes=1)
"""Accepted difference between the clocks of the provider and this server."""
OLDEST = timedelta(hours=1)
"""A token that was issued earlier is not accepted, because it is requested directly before it is checked."""

_MAX_CHARACTERS = 64 * 1024
_MAX_SUBJECT = 255
_TYPES = frozenset({None, "jwt", "application/jwt"})
# The times are checked below with `core.clock`, and the other claims with their own failures.
_SIGNATURE_ONLY: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
    "enforce_minimum_key_length": True,
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the key of a token is chosen by. It is not verified yet."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class ExpectedToken:
    """What an ID token must contain."""

    issuer: str
    client_id: str
    nonce: str


def header_of(token: str) -> Header:
    """The header of a token. Raises SignInFailed if it is not a signed token of an accepted kind."""
    import jwt

    if len(token) > _MAX_CHARACTERS:
        _refuse("the ID token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        _refuse("the ID token is malformed")
    algorithm, kind, key_id = header.get("alg"), header.get("typ"), header.get("kid")
    if algorithm not in ALGORITHMS:
        _refuse(f"the ID token is signed with {str(algorithm)[:20]!r}, which is not accepted")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        _refuse("the token is not an ID token")
    if "crit" in header:
        _refuse("the ID token requires an extension that stepIQ does not support")
    return Header(algorithm, None if key_id is None else str(key_id))


def verify(
    token: str, key: "PyJWK", expected: ExpectedToken, access_token: str | None
) -> dict[str, Any]:
    """The claims of an ID token.

    `header_of` has accepted the token's header. The claim `at_hash` must match `access_token`.

    Raises:
        SignInFailed: the token is not valid.
    """
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[str(key.algorithm_name)], options=_SIGNATURE_ONLY
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        _refuse("the signature of the ID token is not valid")
    if claims.get("iss") != expected.issuer:
        raise SignInFailed(SignInFailure.WRONG_ISSUER, "the ID token names a different issuer")
    _check_audience(claims, expected.client_id)
    _check_times(claims)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not _is_equal(nonce, expected.nonce):
        _refuse("the nonce of the ID token is not that of this sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT:
        _refuse("the ID token has no usable subject")
    _check_hash(claims.get("at_hash"), key, access_token)
    return claims


def _check_audience(claims: dict[str, Any], client_id: str) -> None:
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = cast(list[Any], audience) if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        _refuse("the ID token is for another audience")
    # A token for several audiences must say which of them requested it.
    if party != client_id and (party is not None or len(audiences) > 1):
        _refuse("the ID token was issued to another client")


def _check_times(claims: dict[str, Any]) -> None:
    now, leeway = clock.now().timestamp(), LEEWAY.total_seconds()
    expires, issued, begins = (_number(claims.get(each)) for each in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        _refuse("the ID token has no `exp` or no `iat`")
    if expires <= now - leeway:
        _refuse("the ID token has expired")
    if issued > now + leeway or (begins is not None and begins > now + leeway):
        _refuse("the ID token is not valid yet. Compare the clocks of the provider and this server")
    if issued < now - OLDEST.total_seconds():
        _refuse("the ID token was issued too long ago")


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # pyright: ignore[reportArgumentType]


def _check_hash(given: object, key: "PyJWK", access_token: str | None) -> None:
    if given is None or access_token is None:
        return
    algorithm = str(key.algorithm_name)
    # Ed25519, the only curve of EdDSA here, uses SHA-512.
    name = "sha512" if algorithm == "EdDSA" else f"sha{algorithm[-3:]}"
    digest = hashlib.new(name, access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    if not isinstance(given, str) or not _is_equal(given, half):
        _refuse("the ID token belongs to another access token")


def _is_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _refuse(reason: str) -> NoReturn:
    raise SignInFailed(SignInFailure.TOKEN_INVALID, reason)
