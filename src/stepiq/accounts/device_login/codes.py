"""The two codes of a login: one that a person reads and types, and a secret one of the program."""

import hmac
import secrets

from stepiq.accounts.credentials import api_keys as keys

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters without vowels, as RFC 8628 suggests: no code is a word, and no letter looks like a digit or another letter."""
_LETTERS = 8
_GROUP = 4
_DEVICE_BYTES = 32


def new_device_code() -> str:
    """A secret that only the program knows."""
    return secrets.token_urlsafe(_DEVICE_BYTES)


def device_digest(code: str) -> bytes:
    """The digest under which the code of a program is stored."""
    return keys.digest(code)


class UserCodes:
    """Creates the codes that people type, and their digests."""

    def __init__(self, jwt_secret: bytes) -> None:
        """Derive the digest key from the signing key, so that all processes of a server use the same one.

        The codes have 35 bits. With a plain digest, a copy of the database would reveal them within seconds.
        """
        self._key = hmac.digest(jwt_secret, b"stepiq device login", "sha256")

    def new(self) -> str:
        """A new code, as people see it: `BCDF-GHJK`."""
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
        return f"{letters[:_GROUP]}-{letters[_GROUP:]}"

    def digest(self, code: str) -> bytes | None:
        """The digest of a code that a person typed, in any case and grouping. None if it cannot be a code."""
        letters = "".join(each for each in code.upper() if each.isalnum())
        if len(letters) != _LETTERS or not set(letters) <= set(_ALPHABET):
            return None
        return hmac.digest(self._key, letters.encode(), "sha256")
