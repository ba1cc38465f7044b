"""The build hook of `stepiq-slim`: generates a part of the client library before a wheel or an editable installation."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ClientLibrary(BuildHookInterface[Any]):
    """Writes the generated modules, and adds them to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Git ignores these modules, so Hatchling would ignore them too."""
        # Hatchling loads this file alone.
        scripts = str(Path(__file__).resolve().parents[1])
        if scripts not in sys.path:
            sys.path.insert(0, scripts)
        from client_library import writing  # noqa: PLC0415

        writing.write()
        build_data["artifacts"] += [
            f"/{path.relative_to(writing.ROOT)}" for path in writing.files()
        ]
