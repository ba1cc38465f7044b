"""Runs JavaScript with QuickJS inside this process, which runs nothing else and ends afterwards."""

import contextlib
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from stepiq.language.code_source import NO_JAVASCRIPT_MAIN
from stepiq.sandbox import limits
from stepiq.sandbox.frames import Job
from stepiq.sandbox.interpreters import output
from stepiq.sandbox.interpreters.output import Printed, ProcessEnding

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

# The prelude starts after the last line that a source can have, so line numbers separate its errors from the source's.
_PRELUDE = "\n" * limits.MAX_SOURCE_BYTES + Path(__file__).with_name("prelude.js").read_text()
_STACK_BYTES = 1024 * 1024
_MAIN = "typeof main === 'function' ? main : undefined"
_TYPES = "null, booleans, numbers, text, arrays and plain objects"
_LONG_INTEGER = re.compile(rb"[0-9]{16}")
_FRAME = re.compile(r"\(<input>:([0-9]+)")
_PLACE = re.compile(r"<input>:([0-9]+)")
_NEVER_SETTLED = (
    "`main` waits for a promise that is never resolved. Timers and the network are not available."
)
_MODULE_SYNTAX = re.compile(r"\s*(export|import)\b")
_NO_MODULES = " The code is a script, not a module. Remove `export` and `import`."


def run(job: Job, data: bytes, printed: Printed) -> ProcessEnding:
    """Call `main` with the JSON in `data`.

    There is no time limit here: the engine's own does not allow callbacks, so it would prevent log output while the
    code runs. The server kills the process instead.
    """
    context = new_context()
    context.set_memory_limit(limits.MEMORY_BYTES)
    context.set_max_stack_size(_STACK_BYTES)
    context.add_callable("__stepiq_print", lambda line: printed.write(f"{line}\n"))
    drive: Drive = context.eval(_PRELUDE)
    # The engine converts Python integers to 32 bits.
    drive("clock", float(int(job.now * 1000)))
    try:
        return _call(context, drive, job, data)
    except StackOverflow as error:
        return output.limit(limits.TOO_DEEP, _line(str(error)))
    except JSException as error:
        return _thrown(str(error), job)


def _call(context: Context, drive: Drive, job: Job, data: bytes) -> ProcessEnding:
    # The value of the last statement is not used, and may have no Python equivalent.
    with contextlib.suppress(TypeError, ValueError):
        context.eval(job.source)
    main = context.eval(_MAIN)
    if main is None:
        return output.error(NO_JAVASCRIPT_MAIN)
    exact = _LONG_INTEGER.search(data) is not None
    told = drive("call", main, data.decode(), exact)
    if not told:
        while context.execute_pending_job():
            pass
        told = drive("result")
    return _read(told)


def _read(told: str) -> ProcessEnding:
    match told[0], told[1:]:
        case "R", text:
            return output.result(text)
        case "E", problem:
            return output.not_json(problem, _TYPES)
        case "L", _:
            return output.limit(limits.OUTPUT_TOO_LARGE)
        case "T", thrown:
            return output.error(f"Thrown: {thrown}")
        case _:
            return output.error(_NEVER_SETTLED)


def _thrown(text: str, job: Job) -> ProcessEnding:
    message = text.partition("\n    at ")[0].removesuffix("\nundefined").strip()
    line = _line(text)
    if message == "InternalError: out of memory":
        return output.limit(limits.OUT_OF_MEMORY, line)
    if message == "null":
        # If no memory is left for an error object, the engine throws null. The code can do this, too.
        return output.limit(limits.NULL_THROWN)
    if message.startswith("SyntaxError") and line is not None:
        lines = job.source.split("\n")
        if _MODULE_SYNTAX.match(lines[min(line, len(lines)) - 1]):
            message += "." + _NO_MODULES
    return output.error(message, line)


def _line(text: str) -> int | None:
    """The innermost line of the user's source in an error."""
    # A position outside the stack frames is in text that could not be parsed: the source, or text that its code parsed.
    for found in (*_FRAME.finditer(text), *_PLACE.finditer(text)):
        if (line := int(found.group(1))) <= limits.MAX_SOURCE_BYTES:
            return line
    return None
