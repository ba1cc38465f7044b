"""Shows long text on a terminal with the user's pager."""

import os
import shlex
import shutil
import signal
import subprocess


def pager() -> list[str] | None:
    """The command of the pager: PAGER, otherwise `less`. None if text is to be printed directly."""
    chosen = os.environ.get("PAGER")
    if os.environ.get("TERM") == "dumb" or chosen in ("", "cat"):
        return None
    command = shlex.split(chosen or "less")
    return command if shutil.which(command[0]) else None


def page(command: list[str], text: str) -> None:
    """Run a pager on text with colors, until the user leaves it."""
    # As git does: colors, no pager for text that fits on the screen, and the text stays there afterwards.
    environment = {"LESS": "FRX", **os.environ}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C belongs to the pager
    try:
        subprocess.run(command, input=text.encode(), env=environment, check=False)  # noqa: S603 — the user's own command
    finally:
        signal.signal(signal.SIGINT, before)
