"""The server's keys beside a backup: whether those that are here open what it holds, and taking them along if asked to."""

import io

from stepiq.cli.backups.archive import KEYS, Manifest, Reader, Writer
from stepiq.core import keys
from stepiq.core.encryption import fingerprint
from stepiq.core.settings import Settings

_MASTER, _PREVIOUS, _JWT = KEYS


def current(settings: Settings) -> str | None:
    """Fingerprint of the master key in force; None where there is none yet, and none is made."""
    return fingerprint(keys.master_key(settings)) if keys.has_master_key(settings) else None


def where(settings: Settings) -> str:
    """Where the master key in force comes from."""
    if settings.master_key is not None:
        return "STEPIQ_MASTER_KEY"
    return str(settings.data_dir.absolute() / "master.key")


def missing(settings: Settings, manifest: Manifest) -> dict[str, int]:
    """How many of a backup's secrets cannot be read with the keys that are here, by the fingerprint of the key they need."""
    known = {fingerprint(key) for key in keys.previous_master_keys(settings)} | {current(settings)}
    return {key: number for key, number in manifest.secrets.items() if key not in known}


def add(writer: Writer, settings: Settings) -> None:
    """Put every key that is in force into the archive."""
    found = {_PREVIOUS: keys.encode_master_keys(keys.previous_master_keys(settings))}
    if keys.has_master_key(settings):
        found[_MASTER] = keys.encode_master_keys([keys.master_key(settings)])
    if keys.has_jwt_secret(settings):
        found[_JWT] = keys.jwt_secret(settings)
    for name in KEYS:
        if found.get(name):
            writer.add(name, io.BytesIO(found[name] + b"\n"))


def take_over(reader: Reader, settings: Settings) -> bool:
    """Use the archive's keys where this server has none, and its master keys besides those it has; whether there were any.

    Raises:
        KeyUnusable: they are damaged, or this server's own come from the environment and cannot be added to.
    """
    master, previous, jwt = (reader.key(name) for name in KEYS)
    if jwt is not None:
        keys.adopt_jwt_secret(settings, jwt)
    if master is not None:
        (theirs,) = keys.decode_master_keys(master, _MASTER)[:1]
        earlier = keys.decode_master_keys(previous, _PREVIOUS) if previous else []
        keys.adopt_master_keys(settings, theirs, earlier)
    return master is not None
