"""Encrypts stored secrets, and signs tokens that are not stored, because only the server's secret can make them.

Each value is encrypted with its own data key, and the data key with the server's master key.

Both use AES-256-GCM with a random nonce. The owner of a secret is bound into both as associated data, so a row moved to
another workspace, pipeline, name, version or user cannot be decrypted. Each row has the fingerprint of its master key, so
rows with the old and the new key can coexist during a key rotation.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from stepiq.core.errors import Unavailable
from stepiq.core.keys import files as keys
from stepiq.core.settings.model import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
import base64
import hmac
from datetime import UTC, datetime
from functools import cached_property

_NONCE_BYTES = 12
_DATA_KEY_BYTES = 32


class SecretUnreadable(Unavailable):
    """The server does not have the master key of a stored secret, or the stored value is damaged."""

    code = "secret_unreadable"


class DecryptionFailed(Exception):
    """The key or the bound data is different, or the encrypted data was changed."""


class Binding(Protocol):
    """The owner of a value, bound into its ciphertext."""

    @property
    def name(self) -> str:
        """Names the value in messages."""
        ...

    @property
    def bound(self) -> bytes:
        """Unique bytes for each owner and purpose."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a secret of pipelines."""

    workspace_id: UUID
    scope_id: UUID
    """The pipeline, or else the workspace."""
    name: str
    version: int

    @property
    def bound(self) -> bytes:
        """Unique bytes for each owner: every part except the last has a fixed length or no NUL."""
        parts = ("stepiq secret 1", self.workspace_id, self.scope_id, self.version, self.name)
        return "\0".join(map(str, parts)).encode()


@dataclass(frozen=True, slots=True)
class UserOwner:
    """The owner of a value that belongs to a user."""

    user_id: UUID
    value_id: UUID
    purpose: str
    """What the value is for. Distinguishes values of one user."""

    @property
    def name(self) -> str:
        return f"{self.purpose} of account {self.user_id}"

    @property
    def bound(self) -> bytes:
        """Unique bytes for each value and purpose. Never those of an `Owner`."""
        parts = ("stepiq value of user 1", self.user_id, self.value_id, self.purpose)
        return "\0".join(map(str, parts)).encode()


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value."""

    key_id: str
    """Fingerprint of the master key."""
    wrapped_key: bytes
    ciphertext: bytes


class Keyring:
    """The master keys of this server: one for encryption, and earlier ones for decryption only.

    They are read on first use, and again when a value is encrypted or a row has an unknown fingerprint, because
    `stepiq keys rotate` can create a new key while this process runs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, AESGCM] = {}
        self._current: str | None = None

    @property
    def current(self) -> str | None:
        """Fingerprint of the encryption key; None if it does not exist yet. Only encryption creates it.

        Raises:
            KeyUnusable: it is damaged, or other users can read it.
        """
        if self._current is None:
            self._read()
        return self._current

    @property
    def advice(self) -> str:
        """Advice on how to restore a missing master key without replacing one that may be in use."""
        if self.current is None:
            return "Set STEPIQ_MASTER_KEY to this key, or restore master.key from its copy, and restart the server."
        return (
            "Set STEPIQ_MASTER_KEY to this key. If other secrets use the current key, add this key to"
            " STEPIQ_PREVIOUS_MASTER_KEYS instead. Then restart the server."
        )

    def has(self, key_id: str) -> bool:
        """Whether this server has the master key with this fingerprint."""
        if key_id not in self._known:
            self._read()
        return key_id in self._known

    def seal(self, value: str, owner: Binding) -> Sealed:
        """Encrypt a value.

        Raises:
            KeyUnusable: the master key is damaged, or other users can read it.
        """
        # Reads the key again: an idle process does not detect a rotation, and the old key can be removed after it.
        key_id = self._for_encryption()
        data_key = os.urandom(_DATA_KEY_BYTES)
        return Sealed(
            key_id=key_id,
            wrapped_key=encrypt(self._known[key_id], data_key, _of_key(owner, key_id)),
            ciphertext=encrypt(cipher(data_key), value.encode(), owner.bound),
        )

    def open(self, sealed: Sealed, owner: Binding) -> str:
        """Decrypt a value.

        Raises:
            SecretUnreadable: the server does not have its master key, or the row was damaged or moved.
        """
        data_key = self._unwrap(sealed, owner)
        try:
            return decrypt(cipher(data_key), sealed.ciphertext, owner.bound).decode()
        except DecryptionFailed:
            raise _damaged(owner) from None

    def rewrap(self, sealed: Sealed, owner: Binding) -> Sealed:
        """Encrypt the data key with the current master key. The value itself is not decrypted.

        Raises:
            SecretUnreadable: as for `open`.
        """
        data_key = self._unwrap(sealed, owner)
        key_id = self._current or self._for_encryption()
        wrapped = encrypt(self._known[key_id], data_key, _of_key(owner, key_id))
        return Sealed(key_id, wrapped, sealed.ciphertext)

    def _unwrap(self, sealed: Sealed, owner: Binding) -> bytes:
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
        except DecryptionFailed:
            raise _damaged(owner) from None

    def _for_encryption(self) -> str:
        current = fingerprint(keys.master_key(self._settings))
        self._read()
        return current

    def _read(self) -> None:
        settings = self._settings
        # Reading a missing key would create a new one, which decrypts nothing.
        current = [keys.master_key(settings)] if keys.has_master_key(settings) else []
        found = [*current, *keys.previous_master_keys(settings)]
        self._known = {fingerprint(key): cipher(key) for key in found}
        self._current = fingerprint(current[0]) if current else None


def fingerprint(master_key: bytes) -> str:
    """The name of a master key, which does not reveal the key."""
    return hashlib.sha256(b"stepiq master key 1\0" + master_key).hexdigest()[:16]


def cipher(key: bytes) -> "AESGCM":
    """AES-GCM with that key."""
    # A server that stores no secrets does without the library, which needs 8 MB and a twentieth of the start.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def encrypt(key: "AESGCM", data: bytes, bound: bytes) -> bytes:
    """Encrypt with a random nonce, which precedes the ciphertext. Decryption needs the same `bound`."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, bound)


def decrypt(key: "AESGCM", data: bytes, bound: bytes) -> bytes:
    """Decrypt the result of `encrypt`.

    Raises:
        DecryptionFailed: the key or `bound` is different, or the data was changed.
    """
    from cryptography.exceptions import InvalidTag

    try:
        return key.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound)
    except InvalidTag:
        raise DecryptionFailed from None


def _of_key(owner: Binding, key_id: str) -> bytes:
    return owner.bound + b"\0wrapped by " + key_id.encode()


def _damaged(owner: Binding) -> SecretUnreadable:
    return SecretUnreadable(
        f"The stored secret `{owner.name}` is damaged, or its row was copied from another one. Store it again, or restore "
        "the database from a backup.",
        name=owner.name,
    )


_TOKEN_BYTES = 48
"""Base64 encodes this length without padding."""
_ID_BYTES = 16
_EXPIRY_BYTES = 5


class Tokens:
    """Makes and verifies tokens that contain a claim. A token is valid for one purpose only."""

    def __init__(self, settings: Settings, purpose: bytes, claim_bytes: int) -> None:
        self._settings = settings
        self._purpose = purpose
        self._claim_bytes = claim_bytes

    @cached_property
    def _key(self) -> bytes:
        # Derived from the signing key on first use, because reading that key may create it.
        return hmac.digest(keys.jwt_secret(self._settings), self._purpose, hashlib.sha256)

    def make(self, claim: bytes) -> str:
        """The signed token of a claim."""
        return base64.urlsafe_b64encode(claim + self._proof(claim)).decode()

    def read(self, token: str) -> bytes | None:
        """The claim of a token; None if this server did not make it for this purpose."""
        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return None
        claim, proof = raw[: self._claim_bytes], raw[self._claim_bytes :]
        return claim if hmac.compare_digest(proof, self._proof(claim)) else None

    def _proof(self, claim: bytes) -> bytes:
        length = _TOKEN_BYTES - self._claim_bytes
        return hmac.digest(self._key, claim, hashlib.sha256)[:length]


class ExpiringTokens:
    """Makes and verifies tokens that contain an id and an expiry time in whole seconds."""

    def __init__(self, settings: Settings, purpose: bytes) -> None:
        self._tokens = Tokens(settings, purpose, _ID_BYTES + _EXPIRY_BYTES)

    def make(self, subject: UUID, expires_at: datetime) -> str:
        """The signed token of an id and an expiry time."""
        return self._tokens.make(
            subject.bytes + int(expires_at.timestamp()).to_bytes(_EXPIRY_BYTES)
        )

    def read(self, token: str) -> tuple[UUID, datetime] | None:
        """The id and the expiry time, which can be in the past. None as for `Tokens.read`."""
        claim = self._tokens.read(token)
        if claim is None:
            return None
        expires_at = datetime.fromtimestamp(int.from_bytes(claim[_ID_BYTES:]), UTC)
        return UUID(bytes=claim[:_ID_BYTES]), expires_at
