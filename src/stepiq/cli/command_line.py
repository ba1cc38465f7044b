"""Extends Typer: the format of usage lines, and of errors about invalid option values."""

import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from stepiq import __version__
from stepiq.cli.output.console import UsageError
from stepiq.core.control_characters import escape_line


def _without_types(parameters: list[Any]) -> list[Any]:
    """The same parameters. The help shows no type for flags, where Typer writes `--help <bool>`."""
    for each in parameters:
        if getattr(each, "is_bool_flag", False):
            each.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command. Shows its arguments as `FILE...`, where Typer writes `{FILE}...`."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]


class ServerCommand(Command):
    """A command that needs the server's code, which the distribution `stepiq-slim` does not contain."""

    def invoke(self, ctx: Any) -> Any:
        if find_spec("stepiq.server.app") is None:
            python = shlex.quote(sys.executable)
            raise UsageError(
                f"`{ctx.command_path}` needs the server, but only the package stepiq-slim is installed. "
                f"Install the server: {python} -m pip install stepiq=={__version__} "
                "If pip does not find this version, build it as `stepiq docs installation` describes."
            )
        return super().invoke(ctx)


class Commands(TyperGroup):
    """A group of commands. Its errors about options are worded like stepIQ's other messages and repeat the value."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _reworded():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _reworded():
            return super().invoke(ctx)


class App(typer.Typer):
    """A group of commands. Each is a `Command`, unless it names another class."""

    command_class: type[Command] = Command

    def command(self, *arguments: Any, **options: Any) -> Any:
        options.setdefault("cls", self.command_class)
        return super().command(*arguments, **options)


class ServerApp(App):
    """A group of commands that need the server's code."""

    command_class = ServerCommand


def server_commands(help_text: str) -> App:
    """A new group of commands below `stepiq`, which need the server's code."""
    return ServerApp(cls=Commands, help=help_text, no_args_is_help=True)


@contextmanager
def _reworded() -> Generator[None]:
    """Rewrite errors about invalid arguments, which Typer prints itself."""
    try:
        yield
    except TyperException as error:
        reword(error)
        raise


def reword(error: TyperException) -> None:
    """Word an error about arguments like stepIQ's other messages, with the value that is not valid."""
    message = _about_value(error) if isinstance(error, typer.BadParameter) else error.message
    error.message = escape_line(message)


def _about_value(error: typer.BadParameter) -> str:
    from pydantic import ValidationError

    from stepiq.core.validation import sentence

    if not isinstance(error.__cause__, ValidationError):
        return error.message
    (entry, *_) = error.__cause__.errors()
    message, value = sentence(entry), str(entry["input"])
    return message if f"'{value}'" in message else f"`{value}`. {message}"
