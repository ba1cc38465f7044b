"""Markdown for programs: the pages of the documentation, `/llms.txt` (llmstxt.org) and `/llms-full.txt`."""

from collections.abc import Iterator
from itertools import groupby

from stepiq import __version__
from stepiq.server.docs.guides import INDEX, Guide, guides, read

MEDIA_TYPE = "text/markdown"

_OPTIONAL = "Optional"
"""The section that a reader with little room can skip, as llmstxt.org defines it."""
_SKIPPED = "Contributing"
"""The section of `docs/README.md` that becomes `_OPTIONAL`."""
_INTRODUCTION = f"""\
# stepIQ

> stepIQ is a self-hosted server for AI pipelines. A pipeline is a list of steps in YAML. stepIQ runs the steps durably,
> streams their progress, and counts tokens and cost. It has an HTTP API, a web interface and the command `stepiq`.

This is the documentation of version {__version__}, which this server runs. In a terminal, `stepiq docs TOPIC` prints
the same pages.
"""
_MACHINE_READABLE = (
    ("OpenAPI document", "/openapi.json", "every route of the HTTP API, with examples"),
    ("Schema of pipelines", "/api/schema/pipeline.json", "the JSON Schema of pipeline files"),
    ("Schema of tests", "/api/schema/tests.json", "the JSON Schema of test files"),
    ("The whole documentation", "/llms-full.txt", f"all these pages in one file, except {_OPTIONAL}"),
)  # fmt: skip


def path_of(name: str, place: str = "") -> str:
    """The path of a page on this server, with the anchor `place`, or an empty text."""
    return f"/docs/{name}.md{place}"


def page(guide: Guide) -> str:
    """The Markdown of a page. Its links lead to pages of this server."""
    return read(guide, path_of)


def index(base_url: str) -> str:
    """`/llms.txt`: every page with a link and a summary, by the sections of `docs/README.md`."""
    parts = [_INTRODUCTION, "## Machine-readable\n"]
    parts += [f"- [{title}]({base_url}{path}): {summary}" for title, path, summary in _MACHINE_READABLE]  # fmt: skip
    for section, found in _sections():
        parts.append(f"\n## {section}\n")
        parts += [_line(guide, base_url) for guide in found]
    return "\n".join(parts) + "\n"


def everything() -> str:
    """`/llms-full.txt`: the Markdown of every page, except optional ones."""
    found = [each for section, each in _sections() if section != _OPTIONAL]
    return "\n".join([_INTRODUCTION, *(page(guide) for each in found for guide in each)])


def _sections() -> Iterator[tuple[str, list[Guide]]]:
    listed = (guide for guide in guides().values() if guide.name != INDEX)
    for section, found in groupby(listed, lambda guide: guide.section or _SKIPPED):
        yield _OPTIONAL if section == _SKIPPED else section, list(found)


def _line(guide: Guide, base_url: str) -> str:
    summary = f": {guide.summary}" if guide.summary else ""
    return f"- [{guide.title}]({base_url}{path_of(guide.name)}){summary}"
