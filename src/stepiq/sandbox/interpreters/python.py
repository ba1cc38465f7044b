"""Runs Python with Monty, an interpreter in its own child process that communicates only with this one."""

import datetime
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress

from pydantic_monty import (
    Monty,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySession,
    MontySyntaxError,
)

from stepiq.language.code_source import NO_PYTHON_MAIN
from stepiq.sandbox import limits
from stepiq.sandbox.frames import Job
from stepiq.sandbox.interpreters import output
from stepiq.sandbox.interpreters.output import Printed, ProcessEnding
from stepiq.sandbox.interpreters.python_prelude import CALL, INPUT_NAME, PRELUDE
from stepiq.sandbox.isolation.walls import Confinement

_SCRIPT = "main.py"
# Monty numbers its inputs: the prelude, the source and the call. It does not count one without a statement.
_USERS_FILES = ("<python-input-1>", _SCRIPT)
_TYPES = "None, booleans, numbers, text, lists, tuples and dicts whose keys are text"
_TAMPERED = "The code has replaced a name that starts with `_stepiq`. Use other names."


def run(
    job: Job,
    data: object,
    printed: Printed,
    ready: Callable[[int | None], None],
    confinement: Confinement,
) -> ProcessEnding:
    """Call `main` with `data`.

    Args:
        job: What to run.
        data: The argument of `main`.
        printed: Receives the text that the code prints.
        ready: Called with the process id of the interpreter before the interpreter receives the source.
        confinement: Starts the process of the interpreter.
    """
    with ExitStack() as stack:
        session = confinement.launch(
            lambda: stack.enter_context(_session(job, confinement.interpreter))
        )
        ready(session.worker_pid)
        try:
            return _call(session, job, data, printed)
        except MontyCrashedError:
            return output.limit(limits.OUT_OF_MEMORY)
        except MontyError as error:
            return _raised(error, job)


@contextmanager
def _session(job: Job, interpreter: str) -> Generator[MontySession]:
    with (
        # The library does not kill the process after the time limit, because the server does.
        Monty(binary_path=interpreter, max_processes=1, feed_duration_limit_grace=None) as pool,
        pool.checkout(
            script_name=_SCRIPT,
            limits={
                "max_memory": limits.MEMORY_BYTES,
                "max_feed_duration_secs": job.timeout_seconds,
            },
            os_policy={
                # A sleep on the host would not count against any limit.
                "sleep": "zero",
                "datetime": datetime.datetime.fromtimestamp(job.now, datetime.UTC),
                "process_time": "zero",
            },
            # Without buffering, because a buffered line would be lost if the code is killed during a long call.
            print_flush_interval=0,
        ) as session,
    ):
        yield session


def _call(session: MontySession, job: Job, data: object, printed: Printed) -> ProcessEnding:
    def show(_: str, text: str) -> None:
        printed.write(text)

    session.feed_run(PRELUDE, print_callback=show)
    # The value of the last statement is not used, and may have no equivalent here, such as a set of the code's objects.
    with suppress(TypeError):
        session.feed_run(job.source, print_callback=show)
    told = session.feed_run(CALL, inputs={INPUT_NAME: data}, print_callback=show)
    match str(told)[:1], str(told)[1:]:
        case "R", text:
            return output.result(text)
        case "E", problem:
            return output.not_json(problem, _TYPES)
        case "L", _:
            return output.limit(limits.OUTPUT_TOO_LARGE)
        case _:
            return output.error(_TAMPERED)


def _raised(error: MontyError, job: Job) -> ProcessEnding:
    if not isinstance(error, MontyRuntimeError | MontySyntaxError):
        return output.error(str(error))
    message = error.display("type-msg")
    line = _line(error)
    if message.startswith("TimeoutError: feed time limit exceeded"):
        return output.limit(limits.too_long(job.timeout_seconds), line)
    if message.startswith(("MemoryError: memory limit", "MemoryError: the worker exceeded")):
        return output.limit(limits.OUT_OF_MEMORY, line)
    if message.startswith("RecursionError: maximum recursion depth"):
        return output.limit(limits.TOO_DEEP, line)
    if line is None and message == "NameError: name 'main' is not defined":
        return output.error(NO_PYTHON_MAIN)
    return output.error(message, line)


def _line(error: MontyRuntimeError | MontySyntaxError) -> int | None:
    """The innermost line of the user's source in an error."""
    for frame in reversed(error.traceback()):
        ours = "_stepiq_" in (frame.source_line or "")
        if frame.filename in _USERS_FILES and not ours:
            return frame.line
    return None
