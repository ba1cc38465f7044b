"""Writes the npm packages that the built web interface consists of, as a CycloneDX document.

Usage: python scripts/ui_sbom.py FILE
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import build_ui
from build_release import version

_COMMAND = ("sbom", "--package-lock-only", "--sbom-format=cyclonedx")
_DEVELOPMENT = {"name": "cdx:npm:package:development", "value": "true"}


def document() -> dict[str, object]:
    """The document of npm, without what differs from call to call or from machine to machine."""
    with tempfile.TemporaryDirectory() as commands:
        path = f"{build_ui.write_commands(Path(commands))}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        made = subprocess.run(
            [f"{commands}/npm", *_COMMAND],
            cwd=build_ui.UI,
            env={**os.environ, "PATH": path},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    found = json.loads(made)
    del found["serialNumber"], found["metadata"]["timestamp"]
    found["metadata"]["component"]["version"] = version()
    # `--omit=dev` would also omit packages that a development tool needs too, such as react.
    found["components"] = [
        each for each in found["components"] if _DEVELOPMENT not in each.get("properties", ())
    ]
    kept = {each["bom-ref"] for each in (found["metadata"]["component"], *found["components"])}
    found["dependencies"] = [
        {**each, "dependsOn": [name for name in each.get("dependsOn", ()) if name in kept]}
        for each in found["dependencies"]
        if each["ref"] in kept
    ]
    for component in found["components"]:
        # The addresses are those of the registry that this machine uses.
        references = component.get("externalReferences", [])
        component["externalReferences"] = [each for each in references if each["type"] != "distribution"]  # fmt: skip
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(document(), indent=2) + "\n")
