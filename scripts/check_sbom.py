"""Checks that a CycloneDX document lists each package of a lock file.

Usage: python scripts/check_sbom.py DOCUMENT LOCK_FILE
"""

import json
import re
import sys
from pathlib import Path

_PACKAGE = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def problems(document: Path, lock: Path) -> list[str]:
    """A sentence for each package that is missing."""
    components = json.loads(document.read_text())["components"]
    listed = {(each["name"], each["version"]) for each in components}
    return [
        f"{document} does not list {name} {version} of {lock}."
        for name, version in _PACKAGE.findall(lock.read_text())
        if (name, version) not in listed
    ]


if __name__ == "__main__":
    sys.exit("\n".join(problems(Path(sys.argv[1]), Path(sys.argv[2]))) or None)
