"""Stores the server's keys in a backup, and checks whether they decrypt the secrets of one."""

import io
from dataclasses import dataclass

from stepiq.cli.backups.archive import KEYS, Manifest, Reader, Writer, damaged
from stepiq.core.keys import files as keys
from stepiq.core.keys.encryption import fingerprint
from stepiq.core.keys.files import KeyUnusable
from stepiq.core.settings.model import Settings

_MASTER, _PREVIOUS, _JWT = KEYS


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The keys in an archive."""

    master: bytes | None
    previous: list[bytes]
    jwt: bytes | None


def current(settings: Settings) -> str | None:
    """Fingerprint of the current master key, or None if it does not exist yet. Does not create a key."""
    return fingerprint(keys.master_key(settings)) if keys.has_master_key(settings) else None


def where(settings: Settings) -> str:
    """The source of the current master key: a variable or a file."""
    if settings.master_key is not None:
        return "STEPIQ_MASTER_KEY"
    return str(settings.data_dir.absolute() / "master.key")


def missing(settings: Settings, manifest: Manifest) -> dict[str, int]:
    """Number of secrets in a backup that this server cannot decrypt, by the fingerprint of the missing key."""
    known = {fingerprint(key) for key in keys.previous_master_keys(settings)} | {current(settings)}
    return {key: number for key, number in manifest.secrets.items() if key not in known}


def add(writer: Writer, settings: Settings) -> None:
    """Add every key of this server to the archive."""
    found = {_PREVIOUS: keys.encode_master_keys(keys.previous_master_keys(settings))}
    if keys.has_master_key(settings):
        found[_MASTER] = keys.encode_master_keys([keys.master_key(settings)])
    if keys.has_jwt_secret(settings):
        found[_JWT] = keys.jwt_secret(settings)
    for name in KEYS:
        if found.get(name):
            writer.add(name, io.BytesIO(found[name] + b"\n"))


def read(reader: Reader) -> StoredKeys:
    """Read the archive's keys.

    Raises:
        BackupUnusable: one of them is no key.
    """
    master, jwt = _master_keys(reader, _MASTER), reader.key(_JWT)
    if jwt is not None and len(jwt) < keys.MIN_SECRET_BYTES:
        raise damaged(reader.path, f"{_JWT} has less than {keys.MIN_SECRET_BYTES} bytes")
    return StoredKeys(master[0] if master else None, _master_keys(reader, _PREVIOUS), jwt)


def take_over(stored: StoredKeys, settings: Settings) -> bool:
    """Store the archive's keys that this server lacks, and keep its own. Returns whether the archive has a master key.

    Raises:
        KeyUnusable: this server's keys are set in the environment, or a file cannot be written.
    """
    if stored.jwt is not None:
        keys.adopt_jwt_secret(settings, stored.jwt)
    if stored.master is not None:
        keys.adopt_master_keys(settings, stored.master, stored.previous)
    return stored.master is not None


def _master_keys(reader: Reader, name: str) -> list[bytes]:
    text = reader.key(name)
    if text is None:
        return []
    try:
        found = keys.decode_master_keys(text, name)
    except KeyUnusable:
        found = []
    if not found:
        raise damaged(reader.path, f"{name} contains no key of 32 bytes in base64")
    return found
