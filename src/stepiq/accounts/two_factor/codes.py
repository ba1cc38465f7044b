"""Codes of the second factor: those of an authenticator app (TOTP, RFC 6238), and recovery codes.

A recovery code has 16 random characters in groups of four, for people whose app is lost. 80 bits of entropy make a slow
hash unnecessary. The alphabet has no characters that look like others.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode
from uuid import UUID

COUNT = 10
"""The number of codes that an account gets at once."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
_GROUPS = 4
_GROUP = 4
_READ_AS = str.maketrans("oil", "011", " -\t")


def generate() -> list[str]:
    """New codes, as people see them."""
    return [_code() for _ in range(COUNT)]


def digest(user_id: UUID, code: str) -> bytes:
    """The digest under which a code of an account is stored. Case, spaces, hyphens and similar characters do not matter."""
    plain = code.lower().translate(_READ_AS)
    return hashlib.sha256(b"stepiq recovery code 1\0" + user_id.bytes + plain.encode()).digest()


def _code() -> str:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


PERIOD_SECONDS = 30
WINDOW = 1
"""How many steps before and after the current one are accepted, because clocks of phones drift."""

_SECRET_BYTES = 20  # as long as the output of SHA-1, as RFC 4226 recommends
_DIGITS = 6
_CODE = re.compile(rf"[0-9]{{{_DIGITS}}}")


def new_secret() -> str:
    """A random secret of 160 bits in base 32, as people type it into apps."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_code(text: str) -> bool:
    """Whether a text has the format of a code."""
    return _CODE.fullmatch(text) is not None


def step_at(time: datetime) -> int:
    """The number of the time step that contains an instant."""
    return int(time.timestamp()) // PERIOD_SECONDS


def code_of(secret: str, step: int) -> str:
    """The code of a time step."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """The time step of a code, if it is near the current one and after the step `after`.

    The duration does not depend on the code.
    """
    current = step_at(now)
    found: int | None = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        matches = hmac.compare_digest(code_of(secret, step).encode(), code.encode())
        if matches and step > after:
            found = step
    return found


def uri(secret: str, *, issuer: str, email: str) -> str:
    """The `otpauth` address that apps read from a QR code. The defaults of apps are the parameters of our codes."""
    label = f"{quote(issuer, safe='')}:{quote(email, safe='@')}"
    return (
        f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"
    )
