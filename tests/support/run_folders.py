"""A folder for each run of the suite, locked while the run is active. Each run removes the folders of killed runs."""

import fcntl
import os
import tempfile
from pathlib import Path

from tests.support import postgres

_PREFIX = "stepiq-test-run-"
_locks: dict[Path, int] = {}
"""The open file of each folder that this process has locked. The system releases the lock when the process ends."""


def create(parent: Path) -> Path:
    """Create a folder that no other run removes while this process is alive."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Another run may lock and remove the new folder first.
        if _lock(folder):
            return folder


def remove(folder: Path) -> None:
    """Remove a folder, and the server or databases of its run."""
    postgres.stop(folder)
    os.close(_locks.pop(folder))


def sweep(parent: Path) -> None:
    """Remove the folders of runs that have ended."""
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
