"""The pages of `docs/` as Markdown: for `/docs/NAME.md`, `/llms.txt` and `stepiq docs`.

A name is the path of a page in `docs/` without `.md`, such as `language` or `steps/llm`. A `README.md` has the name of
its folder. `docs/README.md` lists the pages, so their sections, titles and summaries come from it.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import stepiq
from stepiq import __version__

INDEX = "README"
"""Name of the page that lists the others."""
_OTHERS = {
    "SECURITY.md": "SECURITY",
    "ARCHITECTURE.md": "ARCHITECTURE",
    "CONTRIBUTING.md": "CONTRIBUTING",
    "CHANGELOG.md": "CHANGELOG",
    "skills/stepiq/SKILL.md": "skill",
}
"""Names of pages outside `docs/` in a checkout, by path. The package has those of the root in its folder `docs`."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| \[([^\]]+)\]\(([^)\s]+)\) \| (.+?) \|$")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_ANY_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\]){1,300})\]\(([^)\s]+)\)")
_LOCAL_REFERENCE = re.compile(r"^\[[^\]]+\]: (?!https?:).*\n", re.MULTILINE)
_NOTICE = re.compile(r"\A(<!--.*?-->|---\n.*?\n---\n)\s*", re.DOTALL)
"""What precedes the title: a comment, or the front matter of a skill."""
_OUTSIDE = re.compile(r"[a-z]+:")

Target = Callable[[str, str], str]
"""Makes the target of a link from the name of a page and `#anchor`, or an empty text."""


@dataclass(frozen=True, slots=True)
class Guide:
    """A page."""

    name: str
    title: str
    summary: str
    """What the page contains. Empty if nothing says it."""
    section: str
    """The heading in `docs/README.md` under which it, or the page of its folder, is listed. Empty for other pages."""
    source: str
    """Its path in a checkout."""
    path: Path


@cache
def guides() -> Mapping[str, Guide]:
    """Every page by its name, in the order of `docs/README.md`. Pages of a folder follow the page of the folder."""
    files = _files()
    index = "docs/README.md"
    found = {INDEX: Guide(INDEX, "Documentation", "", "", index, files.pop(index))}
    for section, title, target, summary in _listed(_text(found[INDEX].path)):
        source = posixpath.normpath(posixpath.join("docs", target))
        name = str(_name_of(source))
        found[name] = Guide(name, title, summary, section, source, files.pop(source))
        for inner in [each for each in files if each.startswith(f"docs/{name}/")]:
            found[str(_name_of(inner))] = _unlisted(inner, files.pop(inner), section)
    for source, path in files.items():
        found[str(_name_of(source))] = _unlisted(source, path, "")
    return found


def find(topic: str) -> Guide | None:
    """The page for a topic: a name, or its last part if only one page has it. Case and `.md` do not matter."""
    wanted = topic.strip().strip("/").lower().removesuffix(".md").removesuffix("/readme")
    by_name = {name.lower(): guide for name, guide in guides().items()}
    if wanted in by_name:
        return by_name[wanted]
    ends = [guide for name, guide in by_name.items() if name.rpartition("/")[2] == wanted]
    return ends[0] if len(ends) == 1 else None


def read(guide: Guide, target: Target) -> str:
    """The Markdown of a page, from its title. Its links to other pages get new targets; links to files that are no pages become text."""
    lines: list[str] = []
    for is_code, part in _parts(_NOTICE.sub("", _text(guide.path))):
        lines.append(part if is_code else _relinked(part, guide, target))
    return "".join(lines)


def section_of(text: str, wanted: str) -> str | None:
    """The part of a page from the heading with this anchor to the next heading of its level. None if there is none."""
    start = level = None
    for at, depth, name in _headings(text):
        if start is None and name == wanted:
            start, level = at, depth
        elif start is not None and level is not None and depth <= level:
            return text[start:at].rstrip() + "\n"
    return None if start is None else text[start:].rstrip() + "\n"


def parts_of(text: str) -> Iterator[tuple[str, str, str]]:
    """The anchor and the heading of each part of a page, and the text between it and the next one."""
    headings = list(_headings(text))
    ends = [at for at, _, _ in headings[1:]] + [len(text)]
    for (start, level, name), end in zip(headings, ends, strict=True):
        heading, _, rest = text[start:end].partition("\n")
        yield name, heading[level:].strip(), rest


def anchors_of(text: str) -> list[str]:
    """The anchors of the headings of a page."""
    return [name for _, _, name in _headings(text)]


def anchor(heading: str) -> str:
    """The anchor of a heading that no earlier one on the page equals."""
    plain = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


class HeadingAnchors:
    """Makes the anchors of the headings of one page, as renderers of Markdown do."""

    def __init__(self) -> None:
        self._uses = Counter[str]()

    def next(self, heading: str) -> str:
        """The anchor of the next heading. Later headings with the same text get a number."""
        made = anchor(heading)
        count = self._uses[made]
        self._uses[made] += 1
        return f"{made}-{count}" if count else made


def _files() -> dict[str, Path]:
    """The file of every page by its path in a checkout: files of the package, or of the checkout."""
    package = Path(stepiq.__file__).parent
    is_package = (package / "docs").is_dir()
    root = package if is_package else package.parents[1]
    found = {path.relative_to(root).as_posix(): path for path in sorted((root / "docs").rglob("*.md"))}  # fmt: skip
    for source in _OTHERS:
        is_moved = is_package and "/" not in source
        if is_moved:
            del found[f"docs/{source}"]
        found[source] = root / "docs" / source if is_moved else root / source
    return found


def _name_of(source: str) -> str | None:
    """The name of the page with a path in a checkout. None if it cannot be a page."""
    if not source.startswith("docs/") or not source.endswith(".md"):
        return _OTHERS.get(source)
    return source.removeprefix("docs/").removesuffix(".md").removesuffix(f"/{INDEX}")


def _listed(index: str) -> Iterator[tuple[str, str, str, str]]:
    section = ""
    for line in index.splitlines():
        if heading := _HEADING.match(line):
            section = heading[1]
        elif row := _ROW.match(line):
            yield section, row[1], row[2], row[3]


def _unlisted(source: str, path: Path, section: str) -> Guide:
    name = str(_name_of(source))
    title = _TITLE.search(_text(path))
    shown, _, summary = (title[1] if title else name).replace("`", "").partition(": ")
    return Guide(name, shown, summary, section, source, path)


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """The position, level and anchor of each heading."""
    anchors = HeadingAnchors()
    position = 0
    for is_code, part in _parts(text):
        for line in part.splitlines(keepends=True):
            heading = None if is_code else _ANY_HEADING.match(line.rstrip("\n"))
            if heading:
                yield position, len(heading[1]), anchors.next(heading[2])
            position += len(line)


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The text in parts, and whether each is a fenced block."""
    fence, part = "", ""
    for line in text.splitlines(keepends=True):
        mark = re.match(r"(`{3,})", line)
        if not fence and mark:
            yield False, part
            fence, part = mark[1], line
        elif fence and line.strip() == fence:
            yield True, part + line
            fence, part = "", ""
        else:
            part += line
    yield bool(fence), part


def _relinked(text: str, guide: Guide, target: Target) -> str:
    folder = posixpath.dirname(guide.source)

    def link(found: re.Match[str]) -> str:
        is_image, label, url = found[1], found[2], found[3]
        if is_image:
            return f"*{label}*"
        if _OUTSIDE.match(url):
            return found[0]
        path, sign, place = url.partition("#")
        source = posixpath.normpath(posixpath.join(folder, path)) if path else guide.source
        name = _name_of(source)
        if name is None or name not in guides():
            return label
        return f"[{label}]({target(name, sign + place)})"

    return _LINK.sub(link, _LOCAL_REFERENCE.sub("", text))


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


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


def llms_index(base_url: str) -> str:
    """`/llms.txt`: every page with a link and a summary, by the sections of `docs/README.md`."""
    parts = [_INTRODUCTION, "## Machine-readable\n"]
    parts += [f"- [{title}]({base_url}{path}): {summary}" for title, path, summary in _MACHINE_READABLE]  # fmt: skip
    for section, found in _sections():
        parts.append(f"\n## {section}\n")
        parts += [_line(guide, base_url) for guide in found]
    return "\n".join(parts) + "\n"


def llms_full() -> str:
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
