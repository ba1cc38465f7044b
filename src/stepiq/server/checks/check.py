"""The result of a check of one part of a server."""

from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.errors import StepIQError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that may be called without TLS."""


class Status(StrEnum):
    """How severe a result is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; something optional is missing."""
    WARNING = "warning"
    """The server works, but a setting is probably a mistake or a risk."""
    FAILED = "failed"
    """The server does not start, or a configured part does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result for one part."""

    name: str
    status: Status
    detail: str
    advice: str = ""
    """How to fix it. Empty if there is nothing to do, or `detail` includes it."""
    error: StepIQError | None = None
    """The error with which the server would exit. None if it starts."""
    is_running: bool = False
    """Whether the check found a running server."""


def ok(name: str, detail: str) -> Check:
    """A part that works."""
    return Check(name, Status.OK, detail)


def running(name: str, detail: str) -> Check:
    """A part that works, and shows that the server is running."""
    return Check(name, Status.OK, detail, is_running=True)


def note(name: str, detail: str, advice: str = "") -> Check:
    """An optional part that is missing."""
    return Check(name, Status.NOTE, detail, advice)


def warning(name: str, detail: str, advice: str) -> Check:
    """A probable mistake or a risk. The server starts and prints it."""
    return Check(name, Status.WARNING, detail, advice)


def failed(name: str, detail: str, advice: str) -> Check:
    """A configured part that does not work. The server starts and prints it."""
    return Check(name, Status.FAILED, detail, advice)


def fatal(name: str, error: StepIQError) -> Check:
    """A problem that prevents the server from starting."""
    return Check(name, Status.FAILED, error.message, error=error)
