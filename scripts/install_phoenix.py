"""Installs Phoenix, the backend that a test sends traces to, into `build/phoenix`, an environment of its own.

It has 200 packages, which must not restrict those of stepIQ. The next calls find it installed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "phoenix"
PACKAGE = "arize-phoenix==20.26.1"
_INSTALLED = FOLDER / "installed.txt"


def main() -> str | None:
    """Install the package; returns why it failed."""
    if _INSTALLED.exists() and _INSTALLED.read_text() == PACKAGE:
        return None
    found = shutil.which("uv", path=ROOT / ".venv" / "bin") or shutil.which("uv")
    if found is None:
        return "uv is missing. Run scripts/bootstrap.sh dev."
    python = FOLDER / "bin" / "python"
    try:
        subprocess.run(
            [found, "venv", "--quiet", "--clear", "--python", sys.executable, FOLDER], check=True
        )
        subprocess.run(
            [found, "pip", "install", "--quiet", "--python", python, PACKAGE], check=True
        )
    except subprocess.CalledProcessError as error:
        return f"{PACKAGE} could not be installed: {error}."
    _INSTALLED.write_text(PACKAGE)
    return None


if __name__ == "__main__":
    sys.exit(main())
