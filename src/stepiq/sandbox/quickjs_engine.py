"""The JavaScript engine, with types."""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

# Not `quickjs`, which is around it: that one starts a thread when it is imported, and this process forks.
_engine = importlib.import_module("_quickjs")

JSException: type[Exception] = _engine.JSException
"""What was thrown, as text: the error, then its stack."""
StackOverflow: type[Exception] = _engine.StackOverflow


class Context(Protocol):
    """An interpreter and its heap, with nothing but the language in it."""

    def eval(self, source: str) -> Any:
        """Run a script; a function or an object comes as something callable, all else as Python has it."""
        ...

    def execute_pending_job(self) -> bool:
        """Run one thing that waits for a promise; False: there was none."""
        ...

    def set_memory_limit(self, limit: int) -> None:
        """Bytes."""
        ...

    def set_max_stack_size(self, limit: int) -> None:
        """Bytes."""
        ...

    def add_callable(self, name: str, function: Callable[[str], None]) -> None:
        """Make a global function of the script's that calls this Python."""
        ...


Drive = Callable[..., Any]

new_context: Callable[[], Context] = _engine.Context
