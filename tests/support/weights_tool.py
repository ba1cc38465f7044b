"""Replaces the tool that fetches the weights of the local model."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Make this Python code the only tool of the machine: a `uv` in a folder, which is first in the path.

    The variable TMPDIR contains the folder of the fetch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tool = folder / "uv"
    tool.write_text(f"#!/bin/sh\n''''exec {sys.executable} \"$0\" \"$@\" # '''\n{script}")
    tool.chmod(0o700)
    find_spec = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> object:
        return None if name in ("pip", "uv") else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
