"""Recovery codes: 16 random characters in groups of four, for people whose authenticator app is lost.

80 bits of entropy make a slow hash unnecessary. The alphabet has no characters that look like others.
"""

import hashlib
import secrets
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
