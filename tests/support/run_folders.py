"""A folder for each run of the suite, locked while the run lives: a run removes what killed ones have left."""

import fcntl
import os
import tempfile
from pathlib import Path

from tests.support import postgres

_PREFIX = "stepiq-test-run-"
_locks: dict[Path, int] = {}
"""An open file of each folder that this process has locked. The system ends the lock with the process."""


def create(parent: Path) -> Path:
    """A new folder that no other run removes while this process lives."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Another run may lock a new folder first, and remove it.
        if _lock(folder):
            return folder


def remove(folder: Path) -> None:
    """Remove a folder, with the server and the databases of its run."""
    postgres.stop(folder)
    os.close(_locks.pop(folder))


def sweep(parent: Path) -> None:
    """Remove the folders of runs that no longer live."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if _lock(folder):
            remove(folder)


def _lock(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    is_mine = os.fstat(descriptor).st_uid == os.geteuid()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        is_mine = False
    if is_mine and folder.exists():
        _locks[folder] = descriptor
        return True
    os.close(descriptor)
    return False
