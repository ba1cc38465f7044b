"""Structured logs. Every line has the fields of its context (request, run, step)."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


def get(name: str) -> "BoundLogger":
    """A logger for one module. Call it with an event name and fields: `log.info("run_started", run_id=...)`."""
    return cast("BoundLogger", _LateLogger(name))


class _LateLogger:
    """Imports the library with the first line. Most commands log nothing, and the import takes a fifth of a second."""

    def __init__(self, name: str) -> None:
        self._name = name
        _loggers.add(self)

    @cached_property
    def _logger(self) -> "BoundLogger":
        return _library().stdlib.get_logger(self._name)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._logger, method)


_loggers: WeakSet[_LateLogger] = WeakSet()


def forget_outputs() -> None:
    """Let every logger find its output again. A logger keeps the one that it had at its first line."""
    for logger in _loggers:
        logger.__dict__.pop("_logger", None)


@cache
def _library() -> Any:
    import structlog

    return structlog


@contextmanager
def bound(**facts: Any) -> Generator[None]:
    """Add fields to every line logged in the block, in this task and the tasks that it starts."""
    with _library().contextvars.bound_contextvars(**facts):
        yield
