"""Reads Dockerfile and compose.yaml, for tests that reproduce them without Docker."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


@dataclass
class Image:
    """The last stage of the Dockerfile, and the files that all stages copy."""

    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    user: str = "root"
    copied: list[str] = field(default_factory=list)
    """Files and folders of this repository that are copied into the image."""
    stages: list[list[tuple[str, str]]] = field(default_factory=list)
    """Instructions of each stage, with their arguments."""


def image() -> Image:
    """Read the Dockerfile."""
    found = Image()
    for name, value in _instructions((ROOT / "Dockerfile").read_text()):
        if name == "FROM":
            found.stages.append([])
        if not found.stages:
            continue
        found.stages[-1].append((name, value))
        if name == "COPY" and not value.startswith("--from="):
            found.copied += shlex.split(value)[:-1]
    for name, value in found.stages[-1]:
        _set(found, name, value)
    return found


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def _set(found: Image, name: str, value: str) -> None:
    match name:
        case "ENV":
            found.environment |= dict(part.split("=", 1) for part in shlex.split(value))
        case "ENTRYPOINT":
            found.entrypoint = json.loads(value)
        case "CMD":
            found.command = json.loads(value)
        case "HEALTHCHECK":
            found.healthcheck = json.loads(value.partition(" CMD ")[2])
        case "USER":
            found.user = value
        case _:
            pass


def compose(variables: dict[str, str]) -> dict[str, Any]:
    """compose.yaml with its variables substituted, as in `docker compose config`."""
    text = (ROOT / "compose.yaml").read_text()

    def fill(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        if variables.get(name):
            return variables[name]
        if kind != ":-":
            raise KeyError(f"{name} is not set: {default}")
        return default

    return yaml.safe_load(re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", fill, text))


def seconds(duration: str) -> float:
    """Parse a duration of a compose file, such as `35s`."""
    match = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    assert match is not None, duration
    return int(match[1] or 0) * 60 + int(match[2] or 0)
