"""docs/reference/commands.md: every command of `stepiq`, its arguments and options."""

import textwrap
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
standard error. The arguments of a command come first, in the order of its list.
"""
_SERVER_OPTIONS = ("--server", "--profile", "--json")


def page() -> str:
    """The whole page."""
    found = dict(commands(typer.main.get_command(app), "stepiq"))
    shared = [each for each in found["stepiq whoami"].params if each.opts[0] in _SERVER_OPTIONS]
    listed = "\n".join(map(_line, shared))
    parts = [_INTRODUCTION, f"## Options for calling a server\n\n{listed}\n"]
    shared_help = {each.help for each in shared}
    for name, command in found.items():
        parts.append(f"## {name}\n\n{_text(command.help)}\n")
        shown = [each for each in command.params if each.name != "help"]
        common = [each for each in shown if each.help in shared_help]
        if len(common) < len(shared):
            common = []
        lines = [_line(each) for each in shown if each not in common]
        if common:
            names = ", ".join(f"`{each.opts[0]}`" for each in common)
            lines.append(f"- {names}: [as above](#options-for-calling-a-server)")
        if lines:
            parts.append("\n".join([*lines, ""]))
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


def _line(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{_argument(parameter)}`"
    else:
        metavar = "" if parameter.is_flag else f" {_metavar(parameter)}"
        options = [*parameter.opts, *parameter.secondary_opts]
        shown = ", ".join(f"`{option}{metavar}`" for option in options)
    return _wrapped(f"- {shown}: {_text(parameter.help)}{_default(parameter)}")


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar) if parameter.required else f"[{parameter.metavar}]"
    return f"{name}..." if parameter.nargs == -1 else name


def _metavar(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(member.value) for member in kind)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return str(parameter.metavar or _PLACEHOLDERS.get(kind, "TEXT"))


def _default(parameter: Any) -> str:
    value = parameter.default
    if isinstance(value, Enum):
        return f" Default: {value.value}."
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f" Default: {value:g}." if is_number else ""


def _text(text: str | None) -> str:
    return " ".join((text or "").split())
