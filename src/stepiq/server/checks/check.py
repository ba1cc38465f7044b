"""The result of looking at one part of a server."""

from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.errors import StepIQError


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; something optional is missing."""
    WARNING = "warning"
    """A server works, but a setting is probably a mistake, or a risk."""
    FAILED = "failed"
    """A server does not start, or something that is configured does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found about one part."""

    name: str
    status: Status
    detail: str
    advice: str = ""
    """How to fix it; empty if there is nothing to do, or the detail says it."""
    error: StepIQError | None = None
    """What a server that starts with it ends with; None if it starts."""
    is_running: bool = False
    """Whether it shows that the server is running already."""


def ok(name: str, detail: str, advice: str = "") -> Check:
    """It works."""
    return Check(name, Status.OK, detail, advice)


def running(name: str, detail: str) -> Check:
    """It works, and the server is running."""
    return Check(name, Status.OK, detail, is_running=True)


def note(name: str, detail: str, advice: str = "") -> Check:
    """Something optional is missing."""
    return Check(name, Status.NOTE, detail, advice)


def warning(name: str, detail: str, advice: str) -> Check:
    """A server starts, and prints this."""
    return Check(name, Status.WARNING, detail, advice)


def failed(name: str, detail: str, advice: str) -> Check:
    """A server starts and prints this, but something that is configured does not work."""
    return Check(name, Status.FAILED, detail, advice)


def fatal(name: str, error: StepIQError) -> Check:
    """A server does not start."""
    return Check(name, Status.FAILED, error.message, error=error)
