"""`/docs/NAME`: a page of the documentation as HTML."""

from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from stepiq.server.docs.guides import INDEX, Guide, HeadingAnchors, anchor, guides, read
from stepiq.server.docs.html import page, yaml

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


def render(guide: Guide) -> str:
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
