"""`/docs/errors`: the target of the `type` link in every problem. Each code is an anchor."""

import tomllib
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from stepiq.core.enum_docs import described
from stepiq.core.errors import StepIQError
from stepiq.execution.outcomes import FailureCode
from stepiq.server.docs.html import inline, page, paragraphs
from stepiq.web.problems import status_of

_INTRODUCTION = """\
Codes are stable: programs can compare them. Messages are for people and can change. The API returns errors as
`application/problem+json`, and their `type` links to this page. The `error` of a failed run has one of the codes under
"Failures of runs". Entries of `errors` and `warnings` have the codes under "Issues".
"""
_SECTIONS = ("api", "failures", "issues", "operator")


def advice_by_section() -> dict[str, dict[str, str]]:
    """The advice for each code, by section: `api`, `operator`, `failures` and `issues`."""
    return tomllib.loads(files("stepiq.server.docs").joinpath("advice.toml").read_text("utf-8"))


def every_error(error: type[StepIQError] = StepIQError) -> Iterator[type[StepIQError]]:
    """Every imported error class, each before its subclasses."""
    yield error
    for inner in error.__subclasses__():
        yield from every_error(inner)


def errors_by_code() -> dict[str, type[StepIQError]]:
    """Every error class by code. If subclasses inherit a code, the class that defines it."""
    found: dict[str, type[StepIQError]] = {}
    for error in every_error():
        found.setdefault(error.code, error)
    return found


def meaning_of(error: type[StepIQError]) -> str:
    """The meaning of an error in one sentence."""
    if error is StepIQError:
        return "A bug in stepIQ."
    return (error.__doc__ or "").strip().partition("\n")[0]


def render() -> str:
    """The whole page."""
    advice = advice_by_section()
    classes = errors_by_code()
    seen: set[str] = set()
    meanings = described(FailureCode)
    sections = {
        "API errors": [
            _entry(code, _status(classes.get(code)), _meaning(classes.get(code)), text, seen)
            for code, text in sorted(advice["api"].items())
        ],
        "Failures of runs": [
            _entry(code, "", meanings.get(code, ""), text, seen)
            for code, text in sorted(advice["failures"].items())
        ],
        "Issues": [
            _entry(code, "", "", text, seen) for code, text in sorted(advice["issues"].items())
        ],
        "Commands and start": [
            _entry(code, "", _meaning(classes.get(code)), text, seen)
            for code, text in sorted(advice["operator"].items())
        ],
    }
    anchors = {title: title.lower().replace(" ", "-") for title in sections}
    content = "<h1>Errors</h1>" + paragraphs(_INTRODUCTION)
    links = ""
    for (title, entries), key in zip(sections.items(), _SECTIONS, strict=True):
        content += f'<h2 id="{anchors[title]}">{escape(title)}</h2>{"".join(entries)}'
        codes = "".join(f'<li><a href="#{code}">{code}</a></li>' for code in sorted(advice[key]))
        links += f'<strong><a href="#{anchors[title]}">{escape(title)}</a></strong>'
        links += f'<ul class="entries">{codes}</ul>'
    return page("Errors", f'<ul><li><a href="/docs">API</a></li></ul>{links}', content)


def _entry(code: str, status: str, meaning: str, advice: str, seen: set[str]) -> str:
    # A code that both a response and a run can have is explained twice. The first entry has the anchor.
    anchor = "" if code in seen else f' id="{escape(code)}"'
    seen.add(code)
    shown = f"<p>{status}{inline(meaning)}</p>" if status or meaning else ""
    return f"<article{anchor}><h3><code>{escape(code)}</code></h3>{shown}<p>{inline(advice)}</p></article>"


def _status(error: type[StepIQError] | None) -> str:
    return "" if error is None else f"<strong>{status_of(error)}</strong> "


def _meaning(error: type[StepIQError] | None) -> str:
    return "" if error is None else meaning_of(error)
