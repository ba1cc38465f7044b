"""The environment of this process, for code that needs a variable but no settings of the server."""

import os


def variable(name: str) -> str | None:
    """An environment variable that the command line names; None if it is not set or empty."""
    return os.environ.get(name) or None


def environment(**added: str | None) -> dict[str, str]:
    """The environment of this process for a program that it starts, with the values that are not None added."""
    return {**os.environ, **{name: value for name, value in added.items() if value is not None}}
