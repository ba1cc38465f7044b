"""Output of commands: results go to standard output, everything else to standard error.

Commands write only through this module and `cli.output.terminal`, because the text can come from models, servers and files:
its control characters must not reach a terminal, and its line breaks must not add lines that look like those of
stepIQ. Ruff refuses other ways (`banned-api` in pyproject.toml). Lists are aligned columns on a terminal, else one line with
tabs for each row.
"""

import json
import shlex
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer

from stepiq.core.control_characters import escape, escape_json, escape_line
from stepiq.core.errors import Invalid, Issue, StepIQError


class ExitCode(IntEnum):
    """Exit codes of the command."""

    OK = 0
    FAILED = 1
    """The command failed: the run failed, the file is invalid, or the database cannot be reached."""
    USAGE = 2
    """The command could not start: a file is missing, or an option is wrong."""
    UNREACHABLE = 3
    """The server that a command calls cannot be reached, does not respond in time, or is overloaded. Try again later."""
    REFUSED = 4
    """The server does not accept the API key, or the key, the role or the plan does not allow the request."""
    NOT_FOUND = 5
    """The server has no such pipeline, run, review or secret."""
    CONFLICT = 6
    """The state on the server does not allow the request, or somebody has changed it at the same time."""
    FAULT = 70
    """stepIQ itself has a bug."""


def exit_code(error: StepIQError) -> ExitCode:
    """The exit code of a command that ends with this error: `USAGE` for an issue with an option, otherwise `FAILED`."""
    is_usage = isinstance(error, Invalid) and any(
        issue.path.startswith("--") for issue in error.issues
    )
    return ExitCode.USAGE if is_usage else ExitCode.FAILED


class UsageError(Exception):
    """The command was called incorrectly. The message explains the correct use, and `choices` are printed below it."""

    def __init__(self, message: str, choices: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.choices = tuple(choices)


def say(text: str = "", *, color: str | None = None, newline: bool = True) -> None:
    """Print a line that is not part of the command's result."""
    _write(_line(text), err=True, color=color, newline=newline)


def say_block(text: str, *, newline: bool = True) -> None:
    """Print text of several lines that is not part of the command's result."""
    _write(escape(text), err=True, newline=newline)


def print_text(
    text: str = "", *, color: str | None = None, bold: bool = False, newline: bool = True
) -> None:
    """Print a line as the command's result."""
    _write(_line(text), err=False, color=color, bold=bold, newline=newline)


def print_block(text: str, *, newline: bool = True) -> None:
    """Print text of several lines as the command's result."""
    _write(escape(text), err=False, newline=newline)


def print_output(text: str, *, newline: bool = True) -> None:
    """Print data of users: unchanged to a program or file, without control characters to a terminal."""
    if stdout_is_terminal():
        print_block(text, newline=newline)
    else:
        sys.stdout.write(f"{text}\n" if newline else text)
        sys.stdout.flush()


def stdout_is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr.isatty()


def stdin_is_terminal() -> bool:
    """Whether a person types at standard input."""
    return sys.stdin.isatty()


def can_ask() -> bool:
    """Whether a person can read a question at the terminal and answer it."""
    return stdin_is_terminal() and stderr_is_terminal()


def read_line() -> str:
    """The first line of standard input, without its end."""
    return sys.stdin.readline().rstrip("\r\n")


def ask_secret(question: str) -> str:
    """Ask for a value at the terminal, without showing it."""
    return str(typer.prompt(_line(question), hide_input=True, err=True))


def wait_for_enter(question: str) -> None:
    """Wait until a person presses Enter at the terminal."""
    say(question, newline=False)
    sys.stdin.readline()


def confirm(question: str) -> bool:
    """Ask a yes-or-no question at the terminal."""
    return typer.confirm(_line(question), err=True)


def ask_password() -> str:
    """Ask twice for a new password at the terminal."""
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _line(text: str) -> str:
    # Tabs separate the cells of a row.
    return "\t".join(map(escape_line, text.split("\t")))


def _write(
    text: str, *, err: bool, newline: bool, color: str | None = None, bold: bool = False
) -> None:
    shown = text if color is None else typer.style(text, fg=color, bold=bold or None)
    typer.echo(shown, err=err, nl=newline)


def this_command() -> str:
    """The shell command for this installation: `stepiq` if it is the one on PATH, otherwise its path."""
    program = Path(sys.executable).with_name("stepiq")
    if not program.exists():
        return f"{shlex.quote(sys.executable)} -m stepiq"
    if (found := shutil.which("stepiq")) and Path(found).resolve() == program.resolve():
        return "stepiq"
    return shlex.quote(str(shown_path(program)))


def shown_path(path: Path) -> Path:
    """A path, relative to the working directory if it is inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def complain(message: str) -> None:
    """Print an error in one line."""
    _write("Error: ", err=True, color="red", newline=False, bold=True)
    say(message)


def print_json(value: Any) -> None:
    """Print one JSON document as the command's result."""
    print_block(json_text(value))


def json_text(value: Any) -> str:
    """An indented JSON document without raw control characters."""
    return escape_json(json.dumps(value, ensure_ascii=False, indent=2))


def explain(error: StepIQError) -> None:
    """Print an error, and every issue that its message does not mention."""
    complain(error.message)
    if isinstance(error, Invalid):
        for issue in error.issues:
            # The message of an error may quote its first issues.
            if issue.line is not None or issue.message not in error.message:
                say(f"  {issue_line(issue)}")


def issue_line(issue: Issue, file: str | None = None) -> str:
    """An issue in one line, such as `customer_message.yaml:7:5: steps[1].prompt: …`, which editors can open."""
    parts = [file] if file else []
    if issue.line is not None:
        place = f"{issue.line}:{issue.column or 1}"
        parts = [f"{file}:{place}" if file else place]
    if issue.path:
        parts.append(issue.path)
    return escape_line(": ".join([*parts, issue.message]))


def issue_data(issues: Sequence[Issue]) -> list[dict[str, Any]]:
    """Issues in the shape of the API."""
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
    """Report a bug in stepIQ, and write its details to a file."""
    name = type(error).__name__
    details = escape("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="stepiq-fault-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"stepiq {' '.join(sys.argv[1:2])}\n{details}")
        where = f"The details are in {file.name}."
    except OSError:
        say_block(details)
        where = "The details are above."
    complain(
        f"This is a bug in stepIQ: {name}. {where} Please report it and attach the details."
        " Read them first: they can contain parts of your input, or a key."
    )


def read_text(file: Path, what: str) -> str:
    """Read a UTF-8 text file named on the command line, or standard input for `-`.

    Raises:
        UsageError: the file does not exist, or is not UTF-8 text.
    """
    try:
        return read_bytes(file, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8: byte {error.start + 1} cannot be read. Save it as UTF-8."
        ) from None


def read_bytes(file: Path, what: str) -> bytes:
    """Read a file named on the command line, or standard input for `-`.

    Raises:
        UsageError: the file does not exist, or cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"File {file} does not exist. Give the {what}, or - to read from standard input."
        ) from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder. Give the {what}.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None


_GAP = 2
_WIDEST = 60


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows. Only a terminal gets the headings."""
    shown = [[escape_line(cell) for cell in row] for row in rows]
    if not stdout_is_terminal():
        for row in shown:
            print_text("\t".join(row))
        return
    if not rows:
        return
    shown = [[_short(cell) for cell in row] for row in shown]
    widths = [max(map(len, column)) for column in zip(headings, *shown, strict=True)]
    print_text(_row(headings, widths), color="bright_black")
    for row in shown:
        print_text(_row(row, widths))


def local_time(instant: str | None) -> str:
    """A time of the API in the time zone of this machine, to the minute on a terminal; unchanged for programs."""
    if instant is None:
        return "-"
    if not stdout_is_terminal():
        return instant
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M")


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width + _GAP) for cell, width in zip(cells, widths, strict=True)]
    return "".join(padded).rstrip()


def _short(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…"
