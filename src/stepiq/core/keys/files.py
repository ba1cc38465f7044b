"""The server's own keys: set as settings, or generated once and stored in files that only their owner can read.

The owner can use the data folder, and possibly a group, but not all users of the machine.
"""

import base64
import binascii
import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from stepiq.core.errors import Invalid
from stepiq.core.settings.model import Settings

_OTHERS = 0o007
_GROUP = 0o070
_GROUP_WRITES = 0o020
_FILES = ("stepiq.db", "stepiq.db-wal", "stepiq.db-shm", "stepiq.db.lock", "demo.log")


class DataFolderUnusable(Invalid):
    """The data folder cannot be created or written, or every user of the machine can read it."""

    code = "data_folder_unusable"


def prepare_folder(settings: Settings) -> Path:
    """Create the data folder for its owner only, or remove the access of other users to an existing one.

    Raises:
        DataFolderUnusable: it cannot be created, or another user owns it and all users can use it.
    """
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {folder} cannot be created: {error.strerror}. Set STEPIQ_DATA_DIR to a folder you can write to."
        ) from None
    for path in (folder, *(folder / name for name in _FILES)):
        with contextlib.suppress(FileNotFoundError):
            _tighten(path)
    if is_open(folder):
        raise open_to_all(folder)
    return folder


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read, unless the file exists."""
    # If this fails, opening the file fails too, with an error that explains the reason.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def is_open(path: Path) -> bool:
    """Whether all users of the machine can use the path."""
    return bool(path.stat().st_mode & _OTHERS)


def is_ours(path: Path) -> bool:
    """Whether the user of this process owns the path, and so can change its permissions."""
    return path.stat().st_uid == os.geteuid()


def open_to_all(folder: Path) -> DataFolderUnusable:
    """The error for a folder whose permissions this process cannot change."""
    return DataFolderUnusable(
        f"All users of this machine can use the data folder {folder}, and another user owns it. Run as its owner or as root:"
        f" chmod o-rwx {folder}"
    )


def _tighten(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _OTHERS or not is_ours(path):
        return
    # A group with write access was set on purpose, for example by `fsGroup` of Kubernetes.
    kept = mode & ~_OTHERS if mode & _GROUP_WRITES else mode & ~(_OTHERS | _GROUP)
    path.chmod(kept)


MIN_SECRET_BYTES = 32
"""The shortest content of a file with a key."""
_MASTER_KEY_BYTES = 32


class KeyUnusable(Invalid):
    """A key of the server is missing, damaged, or readable by other users."""

    code = "key_unusable"


def jwt_secret(settings: Settings) -> bytes:
    """The key that signs access tokens: STEPIQ_JWT_SECRET, or `jwt.key` in the data folder, created if missing."""
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value().encode()
    made = secrets.token_hex(32).encode()
    return _read_or_make(prepare_folder(settings) / "jwt.key", made)


def master_key(settings: Settings) -> bytes:
    """The 32-byte master key: STEPIQ_MASTER_KEY, or `master.key` in the data folder, created if missing.

    Both are in base64.
    """
    if settings.master_key is not None:
        return _decoded(settings.master_key.get_secret_value().encode(), "STEPIQ_MASTER_KEY")
    path = prepare_folder(settings) / "master.key"
    made = base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES))
    return _decoded(_read_or_make(path, made), str(path))


def previous_master_keys(settings: Settings) -> list[bytes]:
    """Earlier master keys, for decryption only.

    From STEPIQ_PREVIOUS_MASTER_KEYS, or `previous-master.keys` in the data folder.
    """
    if settings.previous_master_keys is not None:
        text = settings.previous_master_keys.get_secret_value()
        return decode_master_keys(text.encode(), "STEPIQ_PREVIOUS_MASTER_KEYS")
    path = previous_master_keys_path(settings)
    if not path.exists():
        return []
    return decode_master_keys(_read(path), str(path))


def previous_master_keys_path(settings: Settings) -> Path:
    """The file of earlier master keys, one per line."""
    return settings.data_dir.absolute() / "previous-master.keys"


def has_master_key(settings: Settings) -> bool:
    """Whether the key exists. Unlike reading it, this does not create it."""
    return settings.master_key is not None or (settings.data_dir / "master.key").exists()


def has_jwt_secret(settings: Settings) -> bool:
    """Whether the key exists. Unlike reading it, this does not create it."""
    return settings.jwt_secret is not None or (settings.data_dir / "jwt.key").exists()


def adopt_master_keys(settings: Settings, current: bytes, previous: Sequence[bytes]) -> None:
    """Add another server's master keys to this server.

    Its current key becomes this server's current key if there is none, otherwise an earlier one. No existing key is
    removed.

    Raises:
        KeyUnusable: the keys are set as settings, or a file cannot be written.
    """
    if settings.master_key is not None or settings.previous_master_keys is not None:
        raise KeyUnusable(
            "This server's master keys come from the environment. Set STEPIQ_MASTER_KEY to the key, or add it to "
            "STEPIQ_PREVIOUS_MASTER_KEYS."
        )
    if not has_master_key(settings):
        _create(prepare_folder(settings) / "master.key", base64.b64encode(current))
    ours, known = master_key(settings), previous_master_keys(settings)
    wanted = [key for key in (current, *previous) if key != ours and key not in known]
    if wanted:
        kept = [*known, *dict.fromkeys(wanted)]
        _replace(previous_master_keys_path(settings), encode_master_keys(kept))


def adopt_jwt_secret(settings: Settings, secret: bytes) -> None:
    """Use another server's secret for access tokens, unless this server has one already."""
    if not has_jwt_secret(settings):
        _create(prepare_folder(settings) / "jwt.key", secret)


def decode_master_keys(text: bytes, where: str) -> list[bytes]:
    """Decode master keys in base64, separated by commas or white space.

    Raises:
        KeyUnusable: one of them is not a master key.
    """
    return [_decoded(part.encode(), where) for part in _listed(text.decode(errors="replace"))]


def encode_master_keys(found: Iterable[bytes]) -> bytes:
    """Encode master keys for `decode_master_keys`."""
    return b"\n".join(base64.b64encode(key) for key in found)


def replace_master_key(settings: Settings) -> None:
    """Create a new `master.key`. The old key is first added to the earlier ones, so that a crash cannot lose it.

    Raises:
        KeyUnusable: the keys are set as settings, or a file cannot be written.
    """
    if settings.master_key is not None or settings.previous_master_keys is not None:
        raise KeyUnusable(
            "The master key comes from the environment, so this command cannot replace it. Create a key with "
            "`openssl rand -base64 32`, set STEPIQ_MASTER_KEY to it, and add the old key to STEPIQ_PREVIOUS_MASTER_KEYS."
        )
    old = master_key(settings)
    kept = [old, *(key for key in previous_master_keys(settings) if key != old)]
    _replace(previous_master_keys_path(settings), encode_master_keys(kept))
    made = base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES))
    _replace(settings.data_dir.absolute() / "master.key", made)


def _listed(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text) if part]


def _decoded(text: bytes, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _MASTER_KEY_BYTES:
        raise KeyUnusable(
            f"{where} must be 32 bytes in base64. Create a key with: openssl rand -base64 32"
        )
    return key


def _read_or_make(path: Path, made: bytes) -> bytes:
    if not path.exists():
        _create(path, made)
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & _others(path.parent):
            raise KeyUnusable(f"Other users of this machine can read {path}. Run: chmod 600 {path}")
        content = path.read_bytes().strip()
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) < MIN_SECRET_BYTES:
        raise KeyUnusable(f"{path} is damaged. Restore it from your backup.")
    return content


def _others(folder: Path) -> int:
    """Mode bits that a key file must not have. A group that can write to the folder may read the key."""
    return 0o007 if folder.stat().st_mode & 0o020 else 0o077


def _create(path: Path, content: bytes) -> None:
    """Create a file atomically, unless it exists. Several processes can do this at the same time."""
    try:
        draft = _draft(path, content)
        try:
            # Unlike a rename, a link does not replace a file that another process created in the meantime.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be written: {error.strerror}.") from None


def _replace(path: Path, content: bytes) -> None:
    """Replace a file atomically: also after a crash, it has its old content or its new content."""
    try:
        _draft(path, content).rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be written: {error.strerror}.") from None


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return draft
