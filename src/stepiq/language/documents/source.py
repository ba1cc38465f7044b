"""Parses document text into plain data, with the place of every part. Refuses what JSON data cannot represent."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.errors import Issue
from stepiq.core.json import Json, MalformedJson, loads
from stepiq.language.documents.yaml import document as yaml_document
from stepiq.language.places import Place

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)
MAX_SOURCE_BYTES = 256 * 1024
"""Longest document text, in bytes of UTF-8."""
_LINE_BREAK = re.compile("\r\n|\r|\n")
_NOT_IN_YAML = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


class SourceFormat(StrEnum):
    """How a document is written."""

    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """The result of parsing."""

    data: Json
    issues: tuple[Issue, ...] = ()
    is_readable: bool = True
    """False if `data` is not usable, because the text could not be parsed completely."""
    places: Callable[[], Place] | None = None
    """Returns the place of every part; called only when there is an error to place."""
    lines: Callable[[], list[str]] = list


def read(text: str, source_format: SourceFormat) -> Source:
    """Parse a document's text. Never raises because of its content."""
    if problem := _refuse(text, source_format):
        return Source(None, (problem,), is_readable=False)
    text = text.removeprefix("\ufeff")
    if source_format is SourceFormat.YAML:
        data, issues, is_readable, root = yaml_document.read(text)
        return Source(
            data, tuple(issues), is_readable, lambda: root, lambda: _LINE_BREAK.split(text)
        )
    data, issues = _read_json(text)
    return Source(
        data, tuple(issues), not issues, lambda: _places_in_json(text), lambda: text.split("\n")
    )


def _refuse(text: str, source_format: SourceFormat) -> Issue | None:
    if len(text) > MAX_SOURCE_BYTES or len(text.encode(errors="replace")) > MAX_SOURCE_BYTES:
        return Issue(
            "",
            "too_large",
            f"The definition is larger than {MAX_SOURCE_BYTES:,} bytes. Split it into several pipelines.",
            1,
            1,
        )
    if (at := text.find("\x00")) >= 0:
        return _at(
            text,
            at,
            "invalid_character",
            "The character U+0000 cannot be part of a definition. Remove it.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return _at(
            text,
            error.start,
            "invalid_character",
            "The text contains half of a surrogate pair, which is not a character. Remove it.",
        )
    if source_format is SourceFormat.YAML and (found := _NOT_IN_YAML.search(text)):
        code = ord(found.group())
        return _at(
            text,
            found.start(),
            "invalid_character",
            f"The text contains the character U+{code:04X}, which YAML does not allow here. "
            f"Remove it, or write `\\u{code:04X}` in a double-quoted string.",
        )
    return None


def _at(text: str, offset: int, code: str, message: str) -> Issue:
    before = _LINE_BREAK.split(text[:offset])
    return Issue("", code, message, len(before), len(before[-1]) + 1)


def _read_json(text: str) -> tuple[Json, list[Issue]]:
    """Parse JSON. If there is an issue, the data is None."""
    try:
        return loads(text.encode()), []
    except MalformedJson as error:
        message = error.message
        if error.reason:
            message = f"The definition is not valid JSON: {error.reason}"
        return None, [Issue("", "syntax", message, error.line or 1, error.column or 1)]


def _places_in_json(text: str) -> Place:
    """The places of all parts of a text that `_read_json` accepts."""
    line, line_start, behind = 1, 0, 0
    root: Place | None = None
    stack: list[Place] = []
    is_object: list[bool] = []
    key: tuple[str, tuple[int, int]] | None = None
    for token in _JSON_TOKEN.finditer(text):
        at = token.start()
        if breaks := text.count("\n", behind, at):
            line += breaks
            line_start = text.rfind("\n", behind, at) + 1
        behind = at
        written = token.group()
        if written in "]}":
            stack.pop()
            is_object.pop()
        elif written in ",:":
            continue
        elif stack and is_object[-1] and key is None:
            key = str(loads(written.encode())), (line, at - line_start + 1)
        else:
            place = Place(line, at - line_start + 1, key[1] if key else None)
            if not stack:
                root = place
            else:
                stack[-1].add(key[0] if key else len(stack[-1].children or ()), place)
            key = None
            if written in "[{":
                stack.append(place)
                is_object.append(written == "{")
    return root or Place(1, 1)
