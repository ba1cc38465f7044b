"""What looking at one thing gave."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """A server works with it, but somebody may have meant something else."""
    FAILED = "failed"
    """A server does not start, or not everything that is configured works."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    detail: str
    advice: str = ""
    """What to do about it; empty where there is nothing to do."""


def ok(name: str, detail: str, advice: str = "") -> Check:
    """All is well."""
    return Check(name, Status.OK, detail, advice)


def note(name: str, detail: str, advice: str = "") -> Check:
    """Worth knowing."""
    return Check(name, Status.NOTE, detail, advice)


def failed(name: str, detail: str, advice: str) -> Check:
    """Something does not work."""
    return Check(name, Status.FAILED, detail, advice)
