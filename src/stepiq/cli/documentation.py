"""`stepiq docs`: the documentation in the terminal, and the skill for coding agents."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path

from stepiq.cli.output.console import UsageError, print_output, print_text, say, stdout_is_terminal
from stepiq.server.docs.guides import INDEX, anchors_of, find, guides, read, section_of


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


SKILL_TOPIC = "skill"
_SKILL = Path("stepiq") / "SKILL.md"
"""Where agents look for the skill, in their folder of skills."""
_WIDTH = 100


def show_topics() -> None:
    """List the topics by section."""
    listed = [
        guide
        for guide in guides().values()
        if guide.section and guide.name != INDEX and not guide.name.startswith("decisions/")
    ]
    width = max(len(guide.name) for guide in listed) + 2
    color = "cyan" if stdout_is_terminal() else None
    for section, found in groupby(listed, lambda guide: guide.section):
        print_text(section, bold=True, color=color)
        for guide in found:
            summary = (guide.summary or guide.title).replace("`", "")
            print_text(f"  {guide.name:{width}}{summary}")
    say("Read one with `stepiq docs TOPIC`, or a part of it with `stepiq docs TOPIC#HEADING`.")


def show(topic: str) -> None:
    """Show a page, or its part after `#`: formatted on a terminal, otherwise as Markdown."""
    name, _, place = topic.partition("#")
    guide = find(name)
    if guide is None:
        raise UsageError(_unknown_topic(name))
    text = guide.path.read_text("utf-8") if guide.name == SKILL_TOPIC else read(guide, _target)
    if place:
        part = section_of(text, place.lower())
        if part is None:
            hint = _suggested(place, anchors_of(text))
            raise UsageError(f"The page {guide.name} has no heading `{place[:64]}`.{hint}")
        text = part
    if stdout_is_terminal():
        _show_formatted(text)
    else:
        print_output(text.rstrip("\n"))


def install_skill(folder: Path, *, force: bool) -> None:
    """Write the skill for coding agents into a folder of skills, such as `.claude/skills`."""
    file = folder / _SKILL
    text = guides()[SKILL_TOPIC].path.read_text("utf-8")
    try:
        if file.exists() and file.read_text("utf-8") == text:
            say(f"{file} is up to date.")
            return
        if file.exists() and not force:
            raise UsageError(f"{file} already exists and differs. Overwrite it with --force.")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise UsageError(f"{file} cannot be written: {reason}.") from None
    say(f"{file}: the skill. Coding agents that read {folder} use it in their next session.")


def _unknown_topic(topic: str) -> str:
    names = [name for name in guides() if not name.startswith("decisions/")]
    hint = _suggested(topic, [*names, *(name.rpartition("/")[2] for name in names)])
    return f"The documentation has no topic `{topic[:64]}`.{hint} `stepiq docs` lists all topics."


def _suggested(wanted: str, names: Iterable[str]) -> str:
    """A sentence with the three nearest names, or an empty text."""
    plain = wanted[:64].lower()
    by_plain = {name.lower(): name for name in names}
    near = get_close_matches(plain, by_plain, 3, 0.6)
    near += [each for each in by_plain if len(plain) > 2 and plain in each]
    found = [f"`{by_plain[each]}`" for each in dict.fromkeys(near)][:3]
    if not found:
        return ""
    return f" Did you mean {', '.join(found)}?"


def _target(name: str, place: str) -> str:
    return name + place


def _show_formatted(text: str) -> None:
    from rich.markdown import Markdown
    from rich.theme import Theme

    from stepiq.cli.output.terminal import Terminal

    # Without backgrounds, so that the text is readable on dark and on light terminals.
    theme = Theme({"markdown.code": "bold cyan", "markdown.code_block": "cyan"})
    terminal = Terminal(highlight=False, theme=theme)
    shown = Markdown(text, code_theme="ansi_dark", hyperlinks=False)
    width = min(terminal.width, _WIDTH)
    command = pager()
    if command is None:
        terminal.print(shown, width=width)
        return
    with terminal.capture() as captured:
        terminal.print(shown, width=width)
    page(command, captured.get())
