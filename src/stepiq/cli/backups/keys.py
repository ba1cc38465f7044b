"""Stores the server's keys in a backup, and checks whether they decrypt the secrets of one."""

import io

from stepiq.cli.backups.archive import KEYS, Manifest, Reader, Writer
from stepiq.core import keys
from stepiq.core.encryption import fingerprint
from stepiq.core.settings import Settings

_MASTER, _PREVIOUS, _JWT = KEYS


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


def take_over(reader: Reader, settings: Settings) -> bool:
    """Store the archive's keys that this server lacks, and keep its own. Returns whether the archive has a master key.

    Raises:
        KeyUnusable: the keys are damaged, or this server's keys are set in the environment.
    """
    master, previous, jwt = (reader.key(name) for name in KEYS)
    if jwt is not None:
        keys.adopt_jwt_secret(settings, jwt)
    if master is not None:
        (theirs,) = keys.decode_master_keys(master, _MASTER)[:1]
        earlier = keys.decode_master_keys(previous, _PREVIOUS) if previous else []
        keys.adopt_master_keys(settings, theirs, earlier)
    return master is not None
