"""Where `serve` and `worker` print messages: as text, or as lines of the log in JSON format."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NoReturn

import typer

from stepiq.cli.output.console import (
    ExitCode,
    UsageError,
    exit_code,
    issue_data,
    print_text,
    say,
    stderr_is_terminal,
    stdout_is_terminal,
)
from stepiq.core.errors import Invalid, StepIQError
from stepiq.core.observability import log_output, logging
from stepiq.core.settings import model as settings

log = logging.get(__name__)

Announce = Callable[[str], None]


@contextmanager
def configured_log() -> Generator[None]:
    """Configure the log. In JSON, it includes everything that this process writes, and the error that ends it."""
    log_format = settings.log_format()
    log_output.configure(log_format)
    if log_output.is_for_people(log_format):
        yield
        return
    with log_output.python_captured(), _failures_logged():
        yield


@contextmanager
def _failures_logged() -> Generator[None]:
    try:
        yield
    except UsageError as error:
        _end("start_failed", ExitCode.USAGE, code="usage_error", message=error.message, issues=[])
    except StepIQError as error:
        issues = issue_data(error.issues) if isinstance(error, Invalid) else []
        facts = {"code": error.code, "message": error.message, "issues": issues}
        _end("start_failed", exit_code(error), **facts)
    except KeyboardInterrupt:
        _end("interrupted", ExitCode.FAILED)
    except Exception as error:
        _end("process_broke", ExitCode.FAULT, exc_info=error)


def to_people() -> Announce | None:
    """A function that prints text to standard error, or None if the log is in JSON."""
    return say if log_output.is_for_people(settings.log_format()) else None


def to_people_at_once() -> Announce | None:
    """A function that prints text to standard output.

    None if the log is in JSON, unless standard output is a terminal and standard error is not.
    """
    is_apart = stdout_is_terminal() and not stderr_is_terminal()
    return print_text if is_apart or to_people() is not None else None


def _end(event: str, exit_code: ExitCode, **facts: object) -> NoReturn:
    log.critical(event, **facts)
    raise typer.Exit(exit_code) from None
