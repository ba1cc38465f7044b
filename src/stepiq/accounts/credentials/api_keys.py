"""The format of API keys: `sk_live_`, 30 random characters and a checksum of 6 characters, all base 62.

The checksum is the CRC-32 of everything before it. It detects mistyped and made-up keys without a query, and lets
secret scanners find keys without false positives. 30 characters have 178 bits of entropy, so no slow hash is needed.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import timedelta

PREFIX = "sk_live_"
LONGEST_LIFETIME = timedelta(days=36_525)
"""Of keys that expire: 100 years."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 30
_CHECKSUM = 6
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}")
_SHOWN = len(PREFIX) + 4
_LENGTH = len(PREFIX) + _RANDOM + _CHECKSUM


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key. Its text is not stored."""

    text: str
    prefix: str
    """Its first characters, with which its owner can identify it."""
    digest: bytes
    """SHA-256 of the text, which is stored."""


def generate() -> NewKey:
    """A new random key."""
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    text = body + _checksum(body)
    return NewKey(text, text[:_SHOWN], digest(text))


def is_well_formed(text: str) -> bool:
    """Whether a text has the format of a key, including a correct checksum."""
    return bool(_SHAPE.fullmatch(text)) and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def problem(text: str) -> str | None:
    """Why a text cannot be a key, without quoting it; None if it can."""
    if is_well_formed(text):
        return None
    if not text:
        return "The header X-API-Key is empty. Check the variable that holds the key."
    if text.startswith("eyJ"):
        return "X-API-Key contains an access token. Send it as `Authorization: Bearer TOKEN`."
    if PREFIX in text[1:]:
        return f"X-API-Key has text before {PREFIX}. Send only the key, without quotes."
    if not text.startswith(PREFIX):
        return (
            f"X-API-Key is not an API key of stepIQ, which begins with {PREFIX}. "
            "Create one with POST /api/user/api-keys."
        )
    if len(text) != _LENGTH:
        return f"The API key has {len(text)} characters instead of {_LENGTH}. Copy the complete key again."
    return "The API key contains an invalid character. Copy it again."


def digest(text: str) -> bytes:
    """The SHA-256 digest under which a key or token is stored."""
    return hashlib.sha256(text.encode()).digest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return digits
