"""Encrypts stored secrets: each value with a key of its own, and that key with the server's master key.

Both are AES-256-GCM with a random nonce. What a secret belongs to is bound into both, so that a row moved to another
workspace, pipeline, name or version does not open. A master key is known by its fingerprint, which rows carry: while keys
are changed, rows of the old and of the new one stand side by side.
"""

import hashlib
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stepiq.core import keys
from stepiq.core.errors import Unavailable
from stepiq.core.settings import Settings

_NONCE_BYTES = 12
_DATA_KEY_BYTES = 32


class SecretUnreadable(Unavailable):
    """The server does not have the master key of a stored secret, or the stored value is damaged."""

    code = "secret_unreadable"


@dataclass(frozen=True, slots=True)
class Owner:
    """What a value belongs to: bound into its ciphertext."""

    workspace_id: UUID
    scope_id: UUID
    """The pipeline, or else the workspace."""
    name: str
    version: int

    @property
    def bound(self) -> bytes:
        """The same bytes for the same owner only: every part but the last has a fixed length or no NUL."""
        parts = ("stepiq secret 1", self.workspace_id, self.scope_id, self.version, self.name)
        return "\0".join(map(str, parts)).encode()


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value."""

    key_id: str
    """Fingerprint of the master key."""
    wrapped_key: bytes
    ciphertext: bytes


class Keyring:
    """The master keys of this server: one that encrypts, and earlier ones that still decrypt.

    They are read when first needed, and again when a value is encrypted or a row names one that is not known:
    `stepiq keys rotate` may have made a new one while this process runs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, AESGCM] = {}
        self._current: str | None = None

    @property
    def current(self) -> str | None:
        """Fingerprint of the key that encrypts; None if there is none yet. Only encrypting creates it.

        Raises:
            KeyUnusable: it is damaged or readable by others.
        """
        if self._current is None:
            self._read()
        return self._current

    @property
    def advice(self) -> str:
        """What to do with a missing master key. It replaces none that may be in use."""
        if self.current is None:
            return "Set STEPIQ_MASTER_KEY to this key, or restore master.key from its copy, and restart the server."
        return (
            "Set STEPIQ_MASTER_KEY to this key. If other secrets use the current key, add this key to"
            " STEPIQ_PREVIOUS_MASTER_KEYS instead. Then restart the server."
        )

    def has(self, key_id: str) -> bool:
        """Whether what that key wraps can be opened."""
        if key_id not in self._known:
            self._read()
        return key_id in self._known

    def seal(self, value: str, owner: Owner) -> Sealed:
        """Encrypt a value.

        Raises:
            KeyUnusable: the master key is damaged or readable by others.
        """
        # An idle process meets no row under a new key: what it went on to write under the old one would be lost with that.
        key_id = self._for_encryption()
        data_key = os.urandom(_DATA_KEY_BYTES)
        return Sealed(
            key_id=key_id,
            wrapped_key=encrypt(self._known[key_id], data_key, _of_key(owner, key_id)),
            ciphertext=encrypt(AESGCM(data_key), value.encode(), owner.bound),
        )

    def open(self, sealed: Sealed, owner: Owner) -> str:
        """Decrypt a value.

        Raises:
            SecretUnreadable: its master key is not here, or the row was damaged or moved.
        """
        data_key = self._unwrap(sealed, owner)
        try:
            return decrypt(AESGCM(data_key), sealed.ciphertext, owner.bound).decode()
        except InvalidTag:
            raise _damaged(owner) from None

    def rewrap(self, sealed: Sealed, owner: Owner) -> Sealed:
        """The same value under the current master key; the value itself is not decrypted.

        Raises:
            SecretUnreadable: as for `open`.
        """
        data_key = self._unwrap(sealed, owner)
        key_id = self._current or self._for_encryption()
        wrapped = encrypt(self._known[key_id], data_key, _of_key(owner, key_id))
        return Sealed(key_id, wrapped, sealed.ciphertext)

    def _unwrap(self, sealed: Sealed, owner: Owner) -> bytes:
        if not self.has(sealed.key_id):
            raise SecretUnreadable(
                f"The secret `{owner.name}` is encrypted with the master key {sealed.key_id}, which this server does not have. "
                f"{self.advice} Or store the secret again.",
                name=owner.name,
                key_id=sealed.key_id,
            )
        key = self._known[sealed.key_id]
        try:
            return decrypt(key, sealed.wrapped_key, _of_key(owner, sealed.key_id))
        except InvalidTag:
            raise _damaged(owner) from None

    def _for_encryption(self) -> str:
        current = fingerprint(keys.master_key(self._settings))
        self._read()
        return current

    def _read(self) -> None:
        settings = self._settings
        # Reading a missing key would create one that opens nothing.
        current = [keys.master_key(settings)] if keys.has_master_key(settings) else []
        found = [*current, *keys.previous_master_keys(settings)]
        self._known = {fingerprint(key): AESGCM(key) for key in found}
        self._current = fingerprint(current[0]) if current else None


def fingerprint(master_key: bytes) -> str:
    """What a master key is called: it tells nothing about the key."""
    return hashlib.sha256(b"stepiq master key 1\0" + master_key).hexdigest()[:16]


def encrypt(key: AESGCM, data: bytes, bound: bytes) -> bytes:
    """Encrypt under a random nonce, which goes before the rest; opens only with the same `bound`."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, bound)


def decrypt(key: AESGCM, data: bytes, bound: bytes) -> bytes:
    """What `encrypt` was given.

    Raises:
        InvalidTag: another key or another `bound`, or the data was changed.
    """
    return key.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound)


def _of_key(owner: Owner, key_id: str) -> bytes:
    return owner.bound + b"\0wrapped by " + key_id.encode()


def _damaged(owner: Owner) -> SecretUnreadable:
    return SecretUnreadable(
        f"The stored secret `{owner.name}` is damaged, or its row was copied from another one. Store it again, or restore "
        "the database from a backup.",
        name=owner.name,
    )
