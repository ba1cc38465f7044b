"""Looks for known vulnerabilities in the npm packages that the built web interface consists of.

The registry of npm's configuration must have advisories, as npmjs.com does.

Usage: python scripts/audit_ui.py
"""

import sys

from build_ui import BuildFailed, run_npm

_ADVICE = (
    "The npm packages have the vulnerabilities that are listed above, or they could not be checked: then npm's error above"
    " is the reason. Many mirrors have no advisories: set `npm_config_registry` to a registry that has, such as"
    " https://registry.npmjs.org, or run `make audit` on another machine."
)

if __name__ == "__main__":
    try:
        run_npm("audit", "--package-lock-only", "--omit=dev")
    except BuildFailed as error:
        sys.exit(f"{error}\n{_ADVICE}")
