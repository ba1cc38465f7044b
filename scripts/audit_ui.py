"""Looks for known vulnerabilities in the npm packages that the built web interface consists of.

The registry of npm's configuration must have advisories, as npmjs.com does.

Usage: python scripts/audit_ui.py
"""

import sys

from build_ui import BuildFailed, run_npm

if __name__ == "__main__":
    try:
        run_npm("audit", "--package-lock-only", "--omit=dev")
    except BuildFailed as error:
        sys.exit(str(error))
