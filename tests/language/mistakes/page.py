"""`mistakes.md`: wrong definitions, as people write them who know other tools, and what they get."""

import re
from dataclasses import dataclass
from pathlib import Path

from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat

PAGE = Path(__file__).parent / "mistakes.md"
_INTRODUCTION = """\
# Mistakes

Wrong definitions, and the messages that they get: line and column, code, message. `test_mistakes.py` compares this page
with what the language says. After a change, `python -m tests.language.mistakes` writes the messages. Read the diff as
the person who made the mistake.
"""
_SECTION = re.compile(r"## ([^\n]+)\n\n```yaml\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mistake:
    title: str
    text: str
    messages: str
    """As the page has them."""


def mistakes(page: str) -> list[Mistake]:
    """The mistakes of a page."""
    return [
        Mistake(title, text, messages or "") for title, text, messages in _SECTION.findall(page)
    ]


def messages(text: str) -> str:
    """What a definition gets, a line for each message."""
    loaded = load(text, SourceFormat.YAML)
    found = [("error", issue) for issue in loaded.errors]
    found += [("warning", issue) for issue in loaded.warnings]
    return "".join(
        f"{issue.line}:{issue.column} {kind} {issue.code}: {issue.message}\n"
        for kind, issue in found
    )


def written(found: list[Mistake]) -> str:
    """The page with the messages that the mistakes get now."""
    parts = [_INTRODUCTION]
    parts += [
        f"## {mistake.title}\n\n```yaml\n{mistake.text}```\n\n```text\n{messages(mistake.text)}```\n"
        for mistake in found
    ]
    return "\n".join(parts)
