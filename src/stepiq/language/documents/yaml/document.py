"""Parses YAML text into data and places, under the core schema of YAML 1.2."""

import re

from stepiq.core.concurrency import garbage_collection
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.language.documents.yaml.blocks import block, value
from stepiq.language.documents.yaml.scanner import END, MARK, Scanner, Stop
from stepiq.language.places import Place

_PAIR = re.compile(r"\w:(?:\s|$)")
_IN_BRACKETS = re.compile(r"\{[^{}]*+\}|\[[^\[\]]*+\]")
_DIRECTIVE = re.compile(r"%([^ \t\n]*+)([^\n]*+)")
_VERSION = re.compile(r"[ \t]++1\.[12](?:[ \t]++#.*|[ \t]*+)")
_MISPLACED = "The text contains the character U+FEFF, which YAML allows only in quotes. Remove it, or quote the value."
_FLATTENED = (
    "The document arrived as one line, because `curl -d @file` strips line breaks. "
    "Use `curl --data-binary @file`."
)


def is_flattened(text: str) -> bool:
    """Whether the text is probably a document that lost its line breaks in transit."""
    stripped = text.strip()
    if "\n" in stripped or stripped.startswith(("{", "[")):
        return False
    return len(_PAIR.findall(_IN_BRACKETS.sub("", stripped))) > 1


def read(text: str) -> tuple[Json, list[Issue], bool, Place]:
    """Parse YAML. Returns the data, the issues, whether the data is usable, and the places."""
    s = Scanner(text)
    data, place = None, Place(1, 1)
    end = len(s.text)
    try:
        with garbage_collection.paused():
            data, place = _read(s)
    except Stop:
        # A syntax error can hide the quotes around a later one.
        end = s.at + 1
    issues = s.issues
    if (at := _misplaced_mark(s, end)) is not None:
        issues = [Issue("", "invalid_character", _MISPLACED, *s.position(at))]
        data, s.is_readable = None, False
    if is_flattened(text) and (issues or data is None):
        # All other issues follow from this one.
        issues = [Issue("", "syntax", _FLATTENED, 1, 1)]
    return data, issues, s.is_readable, place


def _misplaced_mark(s: Scanner, end: int) -> int | None:
    marks = (found.start() for found in re.finditer(MARK, s.text[:end]))
    return next((at for at in marks if at not in s.quoted_marks), None)


def _read(s: Scanner) -> tuple[Json, Place]:
    s.next_line()
    _read_directives(s)
    if _is_start(s):
        s.at += 3
        node = value(s, -1)
    elif s.indent >= 0:
        node = block(s, -1)
    else:
        node = None, s.place(0)
    if s.indent >= 0:
        s.fail(
            "This line does not belong to the lines above it. Remove it, or write `name: value`."
        )
    _read_end(s)
    return node


def _is_start(s: Scanner) -> bool:
    """Whether the `---` before a document is here."""
    return s.indent < 0 and s.text.startswith("---", s.at)


def _read_directives(s: Scanner) -> None:
    first = s.at
    while s.text[s.at] == "%" and s.indent == 0:
        found = _DIRECTIVE.match(s.text, s.at)
        name, rest = (found[1], found[2]) if found else ("", "")
        if name == "YAML" and s.text.count("%YAML", first, s.at):
            s.fail("`%YAML` occurs twice. Remove one of the two.")
        if name == "TAG":
            s.refuse("yaml_tag", "YAML tags are not supported. Remove `%TAG`.", s.at)
        elif name != "YAML" or not _VERSION.fullmatch(rest):
            s.fail(
                "Only `%YAML 1.2` can be written here. Put a value that starts with `%` in quotes."
            )
        s.at = s.text.index("\n", s.at) + 1
        s.next_line()
    if s.at > first and s.text[first] == "%" and not _is_start(s):
        s.fail("A line with only `---` is missing below the lines that start with `%`.")


def _read_end(s: Scanner) -> None:
    while s.indent < 0 and s.text.startswith("...", s.at):
        s.at += 3
        s.end_line("Only a comment can follow `...`.")
        s.next_line()
    if s.text[s.at] != END:
        s.fail(
            "A file can contain only one definition, but a second document starts here. Remove the `---`."
        )
