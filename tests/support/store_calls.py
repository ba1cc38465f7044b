"""Compares the lines that execute SQL on SQLite with those that do so on PostgreSQL.

Most tests with a database run on SQLite only. This fails a session in which a line of stepIQ executes SQL on SQLite and
on PostgreSQL does not, so that no query is left without a test on PostgreSQL.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from stepiq.store.database import Session

_SOURCE = str(Path(__file__).parents[2] / "src" / "stepiq") + "/"
_STORE = f"{_SOURCE}store/"
SQLITE_ONLY: frozenset[tuple[str, str]] = frozenset()
"""Functions that execute some SQL on SQLite only: file and qualified name."""

Call = tuple[str, str, str, int]
"""A line that executed SQL: the store, and the line's file, function and number."""


class StoreComparison:
    """A plugin of pytest. It must only be used in sessions of all tests.

    With xdist, the processes that run tests report their lines to the one that has started them.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._calls: set[Call] = set()
        self._missing: list[Call] = []

    def pytest_sessionstart(self) -> None:
        for name in ("execute", "scalar"):
            setattr(Session, name, _watched(getattr(Session, name), self._calls))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # A process that has crashed reports nothing.
        self._calls.update(map(tuple, getattr(node, "workeroutput", {}).get("store_calls", ())))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["store_calls"] = sorted(self._calls)
        elif exitstatus == pytest.ExitCode.OK:
            # A test that fails may not have reached all of its lines.
            self._missing = missing(self._calls)
            if self._missing:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._missing:
            terminalreporter.section("SQL that no test executes on PostgreSQL")
            for _, file, function, line in self._missing:
                terminalreporter.line(f"src/stepiq/{file}:{line}: {function}")
            terminalreporter.line("Mark a test that reaches these lines with `both_stores`.")


def missing(calls: Iterable[Call]) -> list[Call]:
    """The lines that executed SQL on SQLite only, without those of `SQLITE_ONLY`."""
    calls = set(calls)
    on_postgresql = {call[1:] for call in calls if call[0] == "postgresql"}
    return sorted(
        call
        for call in calls
        if call[0] == "sqlite" and call[1:] not in on_postgresql and call[1:3] not in SQLITE_ONLY
    )


def _watched(
    method: Callable[..., Awaitable[Any]], calls: set[Call]
) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def watched(session: Session, *arguments: Any, **options: Any) -> Any:
        if (line := _line(sys._getframe(1))) is not None:
            calls.add((session.dialect, *line))
        return await method(session, *arguments, **options)

    return watched


def _line(frame: FrameType | None) -> tuple[str, str, int] | None:
    # Functions of the store are called with the tables and conditions of others.
    while frame is not None and frame.f_code.co_filename.startswith(_STORE):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_filename.startswith(_SOURCE):
        return None
    code = frame.f_code
    return code.co_filename.removeprefix(_SOURCE), code.co_qualname, frame.f_lineno
