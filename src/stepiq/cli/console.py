"""How commands speak: results go to standard output, all else to standard error."""

import json
import sys
import tempfile
import traceback
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer

from stepiq.core.errors import Invalid, Issue, StepIQError


class ExitCode(IntEnum):
    """What a command's end means to the shell."""

    OK = 0
    FAILED = 1
    """It was tried and did not work: the run failed, the file is invalid, the database is away."""
    USAGE = 2
    """It could not be tried: no such file, a wrong option."""
    FAULT = 70
    """A fault of stepIQ's own."""


class UsageError(Exception):
    """The command was called in a way that cannot work; the message says how it can."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def say(text: str = "") -> None:
    """Tell people something that is not the command's result."""
    typer.echo(text, err=True)


def complain(message: str) -> None:
    """Say what went wrong."""
    typer.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)


def print_json(value: Any) -> None:
    """Print one JSON document as the command's result."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def explain(error: StepIQError) -> None:
    """Say what went wrong, with every issue and its place."""
    complain(error.message)
    if isinstance(error, Invalid):
        for issue in error.issues:
            say(f"  {issue_line(issue)}")


def issue_line(issue: Issue, file: str | None = None) -> str:
    """An issue in one line, such as `customer_message.yaml:7:5: steps[1].prompt: …`, which editors can jump to."""
    parts = [file] if file else []
    if issue.line is not None:
        place = f"{issue.line}:{issue.column or 1}"
        parts = [f"{file}:{place}" if file else place]
    if issue.path:
        parts.append(issue.path)
    return ": ".join([*parts, issue.message])


def issue_data(issues: Sequence[Issue]) -> list[dict[str, Any]]:
    """Issues as the API shows them."""
    return [
        {
            "path": issue.path,
            "code": issue.code,
            "message": issue.message,
            "line": issue.line,
            "column": issue.column,
        }
        for issue in issues
    ]


def report_fault(error: Exception) -> None:
    """Say that stepIQ is at fault, and keep what its makers need in a file."""
    name = type(error).__name__
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="stepiq-fault-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"stepiq {' '.join(sys.argv[1:2])}\n")
            traceback.print_exception(error, file=file)
        where = f"The details are in {file.name}."
    except OSError:
        traceback.print_exception(error)
        where = "The details stand above."
    complain(
        f"stepIQ has a fault: {name}. {where} Please report it with that file: it holds no input and no keys of yours"
        " unless the error's own words repeat them, so read it first."
    )


def read_text(file: Path, what: str) -> str:
    """A UTF-8 text file that the command line names, or standard input for `-`.

    Raises:
        UsageError: it is not there, or not such a file.
    """
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {file}. Name the {what}, or - to read it from standard input."
        ) from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder. Name the {what} in it.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8: byte {error.start + 1} cannot be read. Save it as UTF-8."
        ) from None
