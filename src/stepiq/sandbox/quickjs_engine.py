"""Types for the JavaScript engine."""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

# Not its wrapper `quickjs`, which starts a thread when it is imported: this process forks.
_engine = importlib.import_module("_quickjs")

JSException: type[Exception] = _engine.JSException
"""A thrown value. Its text is the error, followed by the stack."""
StackOverflow: type[Exception] = _engine.StackOverflow


class Context(Protocol):
    """An interpreter with its own heap and only the built-in objects of the language."""

    def eval(self, source: str) -> Any:
        """Run a script. Returns functions and objects as callables, and other values as Python values."""
        ...

    def execute_pending_job(self) -> bool:
        """Run one pending promise job. Returns False if there was none."""
        ...

    def set_memory_limit(self, limit: int) -> None:
        """Limit the heap, in bytes."""
        ...

    def set_max_stack_size(self, limit: int) -> None:
        """Limit the stack, in bytes."""
        ...

    def add_callable(self, name: str, function: Callable[[str], None]) -> None:
        """Define a global JavaScript function that calls a Python function."""
        ...


Drive = Callable[..., Any]

new_context: Callable[[], Context] = _engine.Context
