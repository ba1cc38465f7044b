"""Verifies webhook signatures in four schemes, all over the exact bytes of the body.

Signatures are compared in constant time. If a scheme also signs the time, it may differ by five minutes either way,
which limits replays.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from stepiq.language.definitions.targets import VerifyScheme, VerifySpec
from stepiq.triggers.webhooks.errors import SignatureInvalid, SignatureSecretUnusable

TOLERANCE = timedelta(minutes=5)
"""Maximum difference between the signed time and the server's clock."""

_STANDARD_PREFIX = "whsec_"
_MAX_TIMESTAMP_DIGITS = 12


def verify(
    spec: VerifySpec, secret: str, headers: Mapping[str, str], body: bytes, now: datetime | None
) -> None:
    """Check a request's signature.

    Args:
        spec: the scheme and its options, from the definition.
        secret: the stored secret, in plain text.
        headers: the request's headers, with lower-case names.
        body: the exact bytes of the body.
        now: the time to compare the signed time with; None if any time is valid.

    Raises:
        SignatureInvalid: the signature is missing, too old or wrong.
        SignatureSecretUnusable: the secret does not fit the scheme.
    """
    if not secret:
        raise SignatureSecretUnusable(spec.secret_name, "its value is empty")
    match spec.scheme:
        case VerifyScheme.GITHUB:
            _verify_github(secret, headers, body)
        case VerifyScheme.STRIPE:
            _verify_stripe(secret, headers, body, now)
        case VerifyScheme.STANDARD:
            _verify_standard(spec, secret, headers, body, now)
        case VerifyScheme.HMAC_SHA256:
            _verify_hmac(spec.header, secret, headers, body)


def _verify_github(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    scheme, _, given = _required(headers, "X-Hub-Signature-256").partition("=")
    if scheme != "sha256":
        raise SignatureInvalid("X-Hub-Signature-256 must have the form sha256=HEX.")
    _require_any([given], _digest(secret.encode(), body).hex())


def _verify_stripe(
    secret: str, headers: Mapping[str, str], body: bytes, now: datetime | None
) -> None:
    parts = [
        part.strip().partition("=") for part in _required(headers, "Stripe-Signature").split(",")
    ]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    if not times or not given:
        raise SignatureInvalid("Stripe-Signature must contain t=SECONDS and v1=HEX.")
    _require_recent(times[0], now, "The time `t` in Stripe-Signature")
    signed = _raw(times[0]) + b"." + body
    _require_any(given, _digest(secret.encode(), signed).hex())


def _verify_standard(
    spec: VerifySpec, secret: str, headers: Mapping[str, str], body: bytes, now: datetime | None
) -> None:
    try:
        key = base64.b64decode(secret.removeprefix(_STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise SignatureSecretUnusable(
            spec.secret_name, "the scheme `standard` requires whsec_ followed by base64"
        )
    message_id = _required(headers, "webhook-id")
    sent_at = _required(headers, "webhook-timestamp")
    versioned = [part.partition(",") for part in _required(headers, "webhook-signature").split()]
    given = [value for version, _, value in versioned if version == "v1"]
    if not given:
        raise SignatureInvalid("webhook-signature must contain a signature of the form v1,BASE64.")
    _require_recent(sent_at, now, "The time in webhook-timestamp")
    signed = b".".join((_raw(message_id), _raw(sent_at), body))
    _require_any(given, base64.b64encode(_digest(key, signed)).decode())


def _verify_hmac(header: str, secret: str, headers: Mapping[str, str], body: bytes) -> None:
    given = _required(headers, header).removeprefix("sha256=")
    digest = _digest(secret.encode(), body)
    # Hexadecimal is case-insensitive, base64 is not.
    in_hex = hmac.compare_digest(_raw(given.lower()), digest.hex().encode())
    in_base64 = hmac.compare_digest(_raw(given), base64.b64encode(digest))
    if not (in_hex or in_base64):
        raise SignatureInvalid(_WRONG)


_WRONG = (
    "The signature does not match the body. Check that the stored secret is the sender's, and that no proxy changes the "
    "body."
)


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower(), "").strip()
    if not value:
        raise SignatureInvalid(
            f"The pipeline requires a signature, but the header {name} is missing."
        )
    return value


def _require_recent(seconds: str, now: datetime | None, what: str) -> None:
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= _MAX_TIMESTAMP_DIGITS
    if not is_number:
        raise SignatureInvalid(f"{what} must be a Unix time in seconds.")
    if now is not None and abs(now.timestamp() - int(seconds)) > TOLERANCE.total_seconds():
        raise SignatureInvalid(
            f"{what} differs from the server's clock by more than {TOLERANCE.total_seconds() / 60:.0f} minutes. Check both clocks."
        )


def _require_any(given: list[str], expected: str) -> None:
    matches = [hmac.compare_digest(_raw(each), expected.encode()) for each in given]
    if not any(matches):
        raise SignatureInvalid(_WRONG)


def _digest(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def _raw(text: str) -> bytes:
    # Header values are decoded as Latin-1. Senders sign the original bytes.
    return text.encode("latin-1", "replace")
