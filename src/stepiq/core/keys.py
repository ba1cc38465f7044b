"""The server's own keys: given as settings, or made once and kept as files that only their owner can read."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from stepiq.core.errors import Invalid
from stepiq.core.settings import Settings

_MASTER_KEY_BYTES = 32


class KeyUnusable(Invalid):
    """A key of the server is missing, damaged, or readable by others."""

    code = "key_unusable"


def prepare_data_dir(settings: Settings) -> Path:
    """The data folder, made if it is not there yet, for its owner only."""
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyUnusable(
            f"The data folder {folder} cannot be made: {error.strerror}. Set STEPIQ_DATA_DIR to a folder you may write to."
        ) from None
    return folder


def jwt_secret(settings: Settings) -> bytes:
    """What signs access tokens: STEPIQ_JWT_SECRET, or `jwt.key` in the data folder."""
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value().encode()
    made = secrets.token_hex(32).encode()
    return _read_or_make(prepare_data_dir(settings) / "jwt.key", made)


def master_key(settings: Settings) -> bytes:
    """The 32 bytes that wrap every secret: STEPIQ_MASTER_KEY, or `master.key` in the data folder; both in base64."""
    if settings.master_key is not None:
        return _decoded(settings.master_key.get_secret_value().encode(), "STEPIQ_MASTER_KEY")
    path = prepare_data_dir(settings) / "master.key"
    made = base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES))
    return _decoded(_read_or_make(path, made), str(path))


def _decoded(text: bytes, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _MASTER_KEY_BYTES:
        raise KeyUnusable(
            f"{where} is not 32 bytes in base64. Make one with: openssl rand -base64 32"
        )
    return key


def _read_or_make(path: Path, made: bytes) -> bytes:
    if not path.exists():
        _create(path, made)
    try:
        if path.stat().st_mode & 0o077:
            raise KeyUnusable(
                f"{path} can be read by other users of this machine. Run: chmod 600 {path}"
            )
        content = path.read_bytes().strip()
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) < 32:
        raise KeyUnusable(f"{path} is damaged. Restore it from a copy.")
    return content


def _create(path: Path, content: bytes) -> None:
    """Write a file that either has all of its content or is not there, whoever else is making it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, content + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            # A link never replaces what another process made in the meantime; a rename would.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be written: {error.strerror}.") from None
