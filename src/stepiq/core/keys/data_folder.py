"""Permissions of the data folder: its owner can use it, and possibly a group, but not all users of the machine."""

import contextlib
import os
import stat
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


def prepare(settings: Settings) -> Path:
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
