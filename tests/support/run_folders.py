"""A folder for each run of the suite, locked while the run is active. Each run removes the folders of killed runs."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support import postgres

VARIABLE = "STEPIQ_TEST_RUN_FOLDER"
"""The environment variable that gives the folder to all processes of the run."""
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


def shared(name: str, fill: Callable[[Path], object]) -> Path:
    """A folder of this run that the first process to ask for it fills. Others wait until it is complete."""
    folder = Path(os.environ[VARIABLE]) / name
    content, complete = folder / "content", folder / "complete"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(content, ignore_errors=True)
            content.mkdir()
            fill(content)
            complete.touch()
    return content


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
