"""Adds the version of stepIQ to a CycloneDX document, and checks that it lists each package of a lock file.

Usage: python scripts/finish_sbom.py DOCUMENT LOCK_FILE
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from build_release import version

_PACKAGE = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def missing(document: dict[str, Any], lock: str) -> list[str]:
    """The name and the version of each package that the document does not list."""
    listed = {(each["name"], each["version"]) for each in document["components"]}
    return [f"{name} {number}" for name, number in _PACKAGE.findall(lock) if (name, number) not in listed]  # fmt: skip


def finish(path: Path, lock: Path) -> None:
    """Add the version to the document at a path. Exits if a package is missing."""
    document = json.loads(path.read_text())
    # The version is dynamic in pyproject.toml, so the tool that wrote the document does not know it.
    document["metadata"]["component"]["version"] = version()
    path.write_text(json.dumps(document, indent=2) + "\n")
    if packages := missing(document, lock.read_text()):
        sys.exit("\n".join(f"{path} does not list {each} of {lock}." for each in packages))


if __name__ == "__main__":
    finish(Path(sys.argv[1]), Path(sys.argv[2]))
