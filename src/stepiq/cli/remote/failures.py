"""How the commands that call a server report errors: a sentence on a terminal, else one line of JSON.

The exit code depends on what the caller can do about the error. `docs/terminal.md` has the table.
"""

import json
import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import typer
from typer.exceptions import TyperException

from stepiq.cli.command_line import App, Command, Commands, reword
from stepiq.cli.output.console import (
    ExitCode,
    UsageError,
    complain,
    explain,
    issue_line,
    report_fault,
    say,
    stderr_is_terminal,
)
from stepiq.cli.remote.calling import is_json, with_call_options
from stepiq.core.control_characters import escape_json
from stepiq.core.errors import (
    Conflict,
    Forbidden,
    Issue,
    NotFound,
    StepIQError,
    Unauthenticated,
    Unavailable,
)

_PIPELINE = r"/api/pipelines/[\w-]+"
_WORDS = (
    (re.compile(r"GET /api/pipelines(?![/\w])"), "`stepiq pipelines list`"),
    (re.compile(r"GET /api/reviews(?![/\w])"), "`stepiq reviews list`"),
    (re.compile(r"GET /api/runs/ID(?![/\w])"), "`stepiq runs show RUN`"),
    (re.compile(r"GET /api/runs(?![/\w])"), "`stepiq runs list`"),
    (re.compile(r"POST /api/user/secrets"), "`stepiq secrets set NAME`"),
    (
        re.compile(rf"POST {_PIPELINE}/restore"),
        "in its settings in the web interface, or with `stepiq apply`",
    ),
    (re.compile(rf"POST {_PIPELINE}/resume"), "on its page in the web interface"),
    (re.compile(r"(?<=Set )`from`(?= to )"), "`--from`"),
    (re.compile(r"(?<=Omit )`output`"), "`--output`"),
    (re.compile(r"has no `hosts`"), "is not limited to hosts"),
    (re.compile(r'`"hosts": \["([^"]*)"\]`'), r"`--host \1`"),
)


def in_commands(message: str) -> str:
    """A message of the API with commands instead of routes, and options instead of fields."""
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message


HELP_PANEL = "On a server"
_MOST_ERRORS = 100
"""Most errors in the line of JSON."""
_USAGE_CODE = "usage"
_JSON_OPTION = "--json"


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """An error, as it is reported."""

    exit_code: ExitCode
    code: str
    """Stable name."""
    message: str
    status: int | None = None
    """HTTP status of the response."""
    request_id: str | None = None
    """Id of the request in the log of the server."""
    errors: Sequence[Mapping[str, Any]] = ()
    """Each problem, if there are several."""


class RemoteCommand(Command):
    """A command that calls a server."""

    def make_context(self, info_name: Any, args: list[str], *others: Any, **options: Any) -> Any:
        as_json = _JSON_OPTION in args
        with _reported(as_json=as_json):
            return super().make_context(info_name, args, *others, **options)

    def invoke(self, ctx: Any) -> Any:
        with _reported(as_json=bool(ctx.params.get("as_json"))):
            return super().invoke(ctx)


class RemoteCommands(Commands):
    """A group of commands that call a server."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _reported(as_json=_JSON_OPTION in args):
            return super().resolve_command(ctx, args)


class RemoteApp(App):
    """A group in which every command is a `RemoteCommand`, with the options of `CallOptions`."""

    def command(self, *arguments: Any, **options: Any) -> Any:
        options.setdefault("cls", RemoteCommand)
        options.setdefault("rich_help_panel", HELP_PANEL)
        register = super().command(*arguments, **options)

        def add(command: Callable[..., None]) -> Any:
            return register(with_call_options(command))

        return add


def remote_commands(help_text: str | None = None) -> RemoteApp:
    """A new group of commands that call a server."""
    return RemoteApp(cls=RemoteCommands, help=help_text, no_args_is_help=True)


@contextmanager
def _reported(*, as_json: bool) -> Generator[None]:
    """Report every error, and end the command with its exit code."""
    try:
        yield
    except TyperException as error:
        if not _is_for_programs(as_json):
            raise
        reword(error)
        fail(ReportedFailure(ExitCode.USAGE, _USAGE_CODE, error.format_message()), as_json=True)
    except UsageError as error:
        fail(ReportedFailure(ExitCode.USAGE, _USAGE_CODE, error.message), as_json=as_json)
    except StepIQError as error:
        if not _is_for_programs(as_json):
            explain(error)
            raise typer.Exit(_exit_code_of_own(error)) from None
        fail(ReportedFailure(_exit_code_of_own(error), error.code, error.message), as_json=as_json)
    except (typer.Exit, typer.Abort, KeyboardInterrupt, BrokenPipeError):
        # Typer ends the command quietly if the reader of its output, such as `head`, has ended.
        raise
    except Exception as error:
        failure = _of_library(error)
        if failure is None:
            report_fault(error)
            if _is_for_programs(as_json):
                _print_line(
                    ReportedFailure(ExitCode.FAULT, "bug", "This is a bug in stepIQ: see above.")
                )
            raise typer.Exit(ExitCode.FAULT) from None
        fail(failure, as_json=as_json)


def fail(failure: ReportedFailure, *, as_json: bool | None = None) -> NoReturn:
    """Report a failure and end the command with its exit code. By default, in the format that its options ask for.

    Raises:
        typer.Exit: always.
    """
    as_json = is_json() if as_json is None else as_json
    if not as_json:
        # Also in the log of a CI job, where a person reads them.
        for issue in failure.errors:
            say(f"error    {issue_line(issue_of(issue), issue.get('file'))}")
    if _is_for_programs(as_json):
        _print_line(failure)
    else:
        complain(failure.message)
        if failure.status is not None and failure.status >= 500 and failure.request_id:
            say(f"The log of the server has details. Search it for {failure.request_id}.")
    raise typer.Exit(failure.exit_code) from None


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code of a command that ends with an error of the client library."""
    from stepiq.client import errors

    match error:
        case errors.ServerUnreachableError() | errors.ResponseInvalidError():
            return ExitCode.UNREACHABLE
        case errors.AuthenticationError() | errors.PermissionDeniedError():
            return ExitCode.REFUSED
        case errors.NotFoundError():
            return ExitCode.NOT_FOUND
        case errors.ConflictError() | errors.PreconditionFailedError():
            return ExitCode.CONFLICT
        case errors.RateLimitError() | errors.ServerError():
            return ExitCode.UNREACHABLE
        case errors.ConfigurationError():
            return ExitCode.USAGE
        case _:
            return ExitCode.FAILED


def _exit_code_of_own(error: StepIQError) -> ExitCode:
    match error:
        case Unauthenticated() | Forbidden():
            return ExitCode.REFUSED
        case NotFound():
            return ExitCode.NOT_FOUND
        case Conflict():
            return ExitCode.CONFLICT
        case Unavailable():
            return ExitCode.UNREACHABLE
        case _:
            return ExitCode.FAILED


def _of_library(error: Exception) -> ReportedFailure | None:
    # Commands that fail before the first request do not load the library.
    if "stepiq.client.errors" not in sys.modules:
        return None
    from stepiq.client.errors import ApiError, ClientError

    if not isinstance(error, ClientError):
        return None
    issues = [reworded_issue(each) for each in error.errors] if isinstance(error, ApiError) else []
    return ReportedFailure(
        exit_code_of(error),
        error.code,
        in_commands(error.message),
        error.status,
        error.request_id,
        issues,
    )


def reworded_issue(data: Mapping[str, Any]) -> dict[str, Any]:
    """An issue in the shape of the API, in the words of the commands."""
    return {**data, "message": in_commands(str(data.get("message") or ""))}


def issue_of(data: Mapping[str, Any]) -> Issue:
    """An issue in the shape of the API."""
    return Issue(
        str(data.get("path") or ""),
        str(data.get("code") or ""),
        str(data.get("message") or ""),
        data.get("line"),
        data.get("column"),
    )


def _is_for_programs(as_json: bool) -> bool:
    return as_json or not stderr_is_terminal()


def _print_line(failure: ReportedFailure) -> None:
    shown: dict[str, Any] = {
        "code": failure.code,
        "message": failure.message,
        "status": failure.status,
        "request_id": failure.request_id,
    }
    if failure.errors:
        shown["errors"] = [dict(issue) for issue in failure.errors[:_MOST_ERRORS]]
    say(escape_json(json.dumps({"error": shown}, ensure_ascii=False)))
