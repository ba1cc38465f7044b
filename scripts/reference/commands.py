"""docs/reference/commands.md: every command of `stepiq`, its arguments and options."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from stepiq.cli.main import app
from stepiq.cli.output.console import ExitCode
from stepiq.core.enum_docs import described

_PLACEHOLDERS = {int: "N", float: "N", Path: "FILE"}
_INTRODUCTION = """\
# Commands

After `make serve` or `make demo`, the command is `.venv/bin/stepiq`. Messages and these pages call it `stepiq`, which
you can write after `source .venv/bin/activate`. It writes results to standard output, and all other messages to
standard error.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for name, command in commands(typer.main.get_command(app), "stepiq"):
        parts.append(f"## {name}\n\n{_text(command.help)}\n")
        parts.append(f"```sh\n{_usage(name, command)}\n```\n")
        if rows := list(_rows(command)):
            parts.append("\n".join(["| | |", "|---|---|", *rows, ""]))
    codes = ["| 0 | Success. |"]
    codes += [
        f"| {code} | {meaning} |"
        for code, meaning in described(ExitCode, unsaid={ExitCode.OK}).items()
    ]
    parts.append("\n".join(["## Exit codes\n", "| code | meaning |", "|---|---|", *codes, ""]))
    return "\n".join(parts)


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that can be run, with its full name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, each in inner.items():
        yield from commands(each, f"{name} {word}")


def _usage(name: str, command: Any) -> str:
    words = [name]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            words.append(_argument(parameter))
    if any(parameter.param_type_name == "option" for parameter in command.params):
        words.append("[OPTIONS]")
    return " ".join(words)


def _rows(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            shown = f"`{_argument(parameter)}`"
        else:
            metavar = "" if parameter.is_flag else f" {_metavar(parameter)}"
            options = [*parameter.opts, *parameter.secondary_opts]
            shown = ", ".join(f"`{option}{metavar}`" for option in options)
        yield f"| {shown} | {_text(parameter.help)}{_default(parameter)} |"


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar) if parameter.required else f"[{parameter.metavar}]"
    return f"{name}..." if parameter.nargs == -1 else name


def _metavar(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "\\|".join(str(member.value) for member in kind)
    if get_origin(kind) is Literal:
        return "\\|".join(map(str, get_args(kind)))
    return str(parameter.metavar or _PLACEHOLDERS.get(kind, "TEXT"))


def _default(parameter: Any) -> str:
    value = parameter.default
    if isinstance(value, Enum):
        return f" Default: {value.value}."
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f" Default: {value:g}." if is_number else ""


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
