"""Parses document text into plain data, with the place of every part. Refuses what JSON data cannot represent."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.language import json_source
from stepiq.language.documents.yaml import document as yaml_document
from stepiq.language.places import Place

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
    data, issues = json_source.read(text)
    return Source(
        data, tuple(issues), not issues, lambda: json_source.places(text), lambda: text.split("\n")
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
