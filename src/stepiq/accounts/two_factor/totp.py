"""Codes of authenticator apps (RFC 6238): SHA-1, six digits, a new one every 30 seconds."""

import base64
import hmac
import re
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

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
