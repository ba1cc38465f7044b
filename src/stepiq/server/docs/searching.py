"""`/docs/search`: finds parts of the pages of the documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

from stepiq.server.docs.guide_page import navigation, path_of
from stepiq.server.docs.guides import guides, parts_of, read
from stepiq.server.docs.html import inline, page

MOST = 50
"""Maximum number of results."""
_SHOWN = 200
"""Characters of a part that a result shows."""


@dataclass(frozen=True, slots=True)
class _Section:
    """A page from one of its headings to the next."""

    path: str
    page: str
    heading: str
    text: str
    folded: str


def render(wanted: str) -> str:
    """The page with the parts that contain all words of a text, those with the words in their headings first."""
    words = wanted.casefold().split()
    found = _found(words) if words else []
    content = f"<h1>Search</h1><p>{_summary(wanted, found)}</p>"
    content += "".join(_result(each, words) for each in found)
    return page("Search", navigation(None), content, wanted=wanted)


def _summary(wanted: str, found: Sequence[_Section]) -> str:
    if not wanted.strip():
        return "Type some words in the field above."
    if not found:
        return f"No page contains “{escape(wanted)}”. Try fewer or other words."
    listed = f"The first {MOST} parts" if len(found) == MOST else f"{len(found)} parts"
    return f"{listed} of pages that contain “{escape(wanted)}”:"


def _result(part: _Section, words: Sequence[str]) -> str:
    at = min(
        (place for word in words if (place := part.text.casefold().find(word)) >= 0), default=0
    )
    start = max(0, at - _SHOWN // 4)
    shown = " ".join(part.text[start : start + _SHOWN].split())
    title = part.page if part.heading == part.page else f"{part.page}: {part.heading}"
    link = f'<a href="{escape(part.path)}">{inline(title)}</a>'
    return f'<article><h3>{link}</h3><p class="dim">{escape(shown)} …</p></article>'


def _found(words: Sequence[str]) -> list[_Section]:
    matching = [part for part in _index() if all(word in part.folded for word in words)]

    def missed(part: _Section) -> int:
        title = f"{part.page} {part.heading}".casefold()
        return sum(word not in title for word in words)

    return sorted(matching, key=missed)[:MOST]


@cache
def _index() -> tuple[_Section, ...]:
    return tuple(
        _Section(
            path_of(guide.name, f"#{anchor}"),
            guide.title,
            heading,
            text,
            f"{guide.title} {heading} {text}".casefold(),
        )
        for guide in guides().values()
        for anchor, heading, text in parts_of(read(guide, path_of))
    )
