"""The data folder: its owner can use it, and perhaps a group, but not every user of the machine."""

import contextlib
import os
import stat
from pathlib import Path

from stepiq.core.errors import Invalid
from stepiq.core.settings import Settings

_OTHERS = 0o007
_GROUP = 0o070
_GROUP_WRITES = 0o020
_FILES = ("stepiq.db", "stepiq.db-wal", "stepiq.db-shm", "stepiq.db.lock")


class DataFolderUnusable(Invalid):
    """The data folder cannot be created or written, or every user of the machine can read it."""

    code = "data_folder_unusable"


def prepare(settings: Settings) -> Path:
    """Create the data folder for its owner only, or close an existing one to other users.

    Raises:
        DataFolderUnusable: it cannot be created, or belongs to somebody else and is open to all users.
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
    """Create an empty file that only its owner can read, unless a file is there."""
    # If this fails, opening the file fails too, and that error explains it.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def is_open(path: Path) -> bool:
    """Whether every user of the machine can use it."""
    return bool(path.stat().st_mode & _OTHERS)


def is_ours(path: Path) -> bool:
    """Whether this process owns it, and so may close it to others."""
    return path.stat().st_uid == os.geteuid()


def open_to_all(folder: Path) -> DataFolderUnusable:
    """The error for a folder that this process cannot close to others."""
    return DataFolderUnusable(
        f"All users of this machine can use the data folder {folder}, and another user owns it. Run as its owner or as root:"
        f" chmod o-rwx {folder}"
    )


def _tighten(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _OTHERS or not is_ours(path):
        return
    # A group that can write was given access on purpose, for example by `fsGroup` of Kubernetes.
    kept = mode & ~_OTHERS if mode & _GROUP_WRITES else mode & ~(_OTHERS | _GROUP)
    path.chmod(kept)
