"""What the pages of the documentation show, made on the first request.

Separate from the routes, because most servers show none of it soon after their start.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from stepiq.language.definitions.step_types import TypePackage, packages, step_types
from stepiq.language.fields.description import needed_by, nodes_of
from stepiq.server.docs import api, errors
from stepiq.server.docs import guides as all_guides
from stepiq.server.docs.guides import (
    INDEX,
    Guide,
    HeadingAnchors,
    anchor,
    guides,
    parts_of,
    read,
)
from stepiq.server.docs.html import HEADERS, inline, page, table, yaml
from stepiq.server.ui.pages import Asset

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


class Contents:
    """The contents by page. Each is made once."""

    headers = HEADERS
    """Of HTML pages."""

    def __init__(self, document: Callable[[], dict[str, Any]], base_url: str) -> None:
        self._document = document
        self._base_url = base_url

    @cached_property
    def api(self) -> Asset:
        """The API reference, from the OpenAPI document."""
        return _html("api", api.render(self._document(), self._base_url))

    @cached_property
    def errors(self) -> Asset:
        """All errors."""
        return _html("errors", errors.render())

    @cached_property
    def steps(self) -> Asset:
        """The step types."""
        return _html("steps", steps_page())

    @cached_property
    def index(self) -> Asset:
        """`/llms.txt`."""
        return Asset("llms.txt", all_guides.llms_index(self._base_url).encode())

    @cached_property
    def everything(self) -> Asset:
        """`/llms-full.txt`."""
        return Asset("llms-full.txt", all_guides.llms_full().encode())

    @staticmethod
    @cache
    def markdown(name: str) -> Asset:
        """A guide as Markdown."""
        return Asset(f"{name}.md", all_guides.page(guides()[name]).encode())

    @staticmethod
    @cache
    def guide(name: str) -> Asset:
        """A guide as HTML."""
        return _html(name, guide_page(guides()[name]))

    @staticmethod
    def find(topic: str) -> Guide | None:
        """The guide for a topic."""
        return all_guides.find(topic)

    @staticmethod
    def search(wanted: str) -> str:
        """The parts of guides that contain all words of a text, those with the words in their headings first."""
        words = wanted.casefold().split()
        found = _found(words) if words else []
        content = f"<h1>Search</h1><p>{_summary(wanted, found)}</p>"
        content += "".join(_result(each, words) for each in found)
        return page("Search", navigation(None), content, wanted=wanted)


def _html(name: str, content: str) -> Asset:
    return Asset(f"{name}.html", content.encode())


def guide_page(guide: Guide) -> str:
    """The whole page. Links lead to other pages of this server, or outside."""
    reader = _reader()
    tokens = list(_finished(reader.parse(read(guide, path_of))))
    return page(guide.title, navigation(guide), reader.renderer.render(tokens, reader.options, {}))


def path_of(name: str, place: str = "") -> str:
    """The path of a page, with the anchor `place`, or an empty text."""
    return f"/docs/{name}{place}"


@cache
def _reader() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # Raw HTML of a page is shown as text.
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _finished(tokens: "Iterable[Token]") -> "Iterator[Token]":
    """The tokens, with anchors of headings, and tables that scroll."""
    from markdown_it.token import Token

    before: Token | None = None
    anchors = HeadingAnchors()
    for token in tokens:
        if token.type == "inline" and before is not None and before.type == "heading_open":
            before.attrSet("id", anchors.next(token.content))
        if token.type == "fence" and token.info == "yaml":
            yield Token(
                "html_block", "", 0, content=f"<pre><code>{yaml(token.content)}</code></pre>"
            )
            continue
        if token.type == "table_open":
            yield Token("html_block", "", 0, content='<div class="scroll">')
        yield token
        if token.type == "table_close":
            yield Token("html_block", "", 0, content="</div>")
        before = token


def navigation(guide: Guide | None) -> str:
    """Links to the pages of the sections of `docs/README.md`, and to the pages of the folder of a page."""
    folder = None if guide is None else guide.name.partition("/")[0]
    content = f'<ul><li><a href="/docs">API</a></li><li><a href="{path_of(INDEX)}">Documentation</a></li></ul>'
    section = None
    for each in guides().values():
        is_near = each.name.partition("/")[0] == folder
        if not each.section or ("/" in each.name and not is_near and not each.name.startswith("reference/")):  # fmt: skip
            continue
        if each.section != section:
            content += "" if section is None else "</ul>"
            place = anchor(each.section)
            content += f'<strong><a href="{path_of(INDEX, "#" + place)}">{escape(each.section)}</a></strong><ul class="entries">'
            section = each.section
        content += f'<li><a href="{path_of(each.name)}">{escape(each.title)}</a></li>'
    return content + "</ul>"


MAX_RESULTS = 50
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


def _summary(wanted: str, found: Sequence[_Section]) -> str:
    if not wanted.strip():
        return "Type some words in the field above."
    if not found:
        return f"No page contains “{escape(wanted)}”. Try fewer or other words."
    listed = (
        f"The first {MAX_RESULTS} parts" if len(found) == MAX_RESULTS else f"{len(found)} parts"
    )
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

    return sorted(matching, key=missed)[:MAX_RESULTS]


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


_STEPS_HEAD = '<ul><li><a href="/docs">API</a></li><li><a href="/docs/errors">Errors</a></li></ul>'


def steps_page() -> str:
    """The whole page."""
    content = "<h1>Step types</h1><p>The values of <code>type</code> in a step.</p>"
    links = ""
    for name in step_types():
        content += _step_type(name, packages()[name])
        links += f'<li><a href="#{escape(name)}">{escape(name)}</a></li>'
    return page("Step types", f'{_STEPS_HEAD}<ul class="entries">{links}</ul>', content)


def _step_type(name: str, package: TypePackage) -> str:
    step_type = step_types()[name]
    required = needed_by(step_type.spec)
    rows = [
        (
            f"<code>{escape(field)}</code>",
            "required" if field in required else "optional",
            inline(str(node.get("markdownDescription") or node.get("description") or "")),
        )
        for field, node in nodes_of(step_type.spec).items()
    ]
    origin = (
        "" if package.is_built_in else f"<p>From the package {escape(package.distribution)}.</p>"
    )
    return (
        f'<article id="{escape(name)}"><h2><code>{escape(name)}</code></h2><p>{inline(step_type.description)}</p>{origin}'
        + table(("field", "use", "means"), rows)
        + "</article>"
    )
