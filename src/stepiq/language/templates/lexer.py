"""Splits a template into text and tags, in one pass without backtracking, so that the time is linear."""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from stepiq.language.templates.errors import TemplateSyntaxError

MAX_TAGS = 10_000
MAX_WORDS = 1_000
"""Most words and marks in one tag."""

# White space as in JavaScript and Handlebars; Python's `\s` differs in a few control characters.
SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

_NAME_CHARACTER = r"[^" + SPACE + r"!\"#%&'()*+,./;<=>@\[\\\]^`{|}~]"
# As in Handlebars: up to the first `]` without a backslash, or if there is none, up to the last `]` in the template.
LITERAL_SEGMENT = r"\[(?:(?:\\\]|[^\]])*+|.*)\]"
_TOKEN = re.compile(
    rf"(?P<space>[{SPACE}]++)"
    rf"|(?P<word>@?(?:{_NAME_CHARACTER}|[./]|{LITERAL_SEGMENT})++)"
    r"|(?P<string>\"(?:[^\"\\]|\\\"|\\(?!\"))*+\"|'(?:[^'\\]|\\'|\\(?!'))*+')"
    r"|(?P<mark>[()=|])",
    re.DOTALL,
)
_VALUE_STARTS = {"word", "string", "("}
_VALUE_ENDS = {"word", "string", ")"}
# `else` ends at a word boundary of JavaScript's regular expressions, so `else-x` matches too.
_ELSE_AND_MORE = re.compile(r"else[^A-Za-z0-9_]")
_CLOSE = re.compile(r"(~?)\}\}")
_TRIPLE_CLOSE = re.compile(r"\}(~?)\}\}")
_LONG_COMMENT_CLOSE = re.compile(r"--(~?)\}\}")

_REFUSED = {
    ">": "Partials (`{{> name}}`) are not supported. Write the text here, or in a separate step.",
    "#>": "Partials (`{{#> name}}`) are not supported. Write the text here, or in a separate step.",
    "*": "Decorators (`{{* name}}`) are not supported.",
    "#*": "Decorators (`{{#* name}}`) are not supported.",
}


class TagKind(Enum):
    """What a tag does."""

    OUTPUT = auto()
    OPEN = auto()
    OPEN_INVERSE = auto()
    ELSE = auto()
    CLOSE = auto()
    COMMENT = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a string or a mark inside a tag."""

    kind: str
    """`word`, `string`, or the mark itself: one of `( ) = |`."""
    text: str
    offset: int


@dataclass(slots=True)
class TextRun:
    """Text between tags."""

    value: str


@dataclass(slots=True)
class Tag:
    """One `{{…}}`."""

    kind: TagKind
    offset: int
    end: int
    strips_left: bool = False
    strips_right: bool = False
    tokens: list[Token] = field(default_factory=list[Token])


Piece = TextRun | Tag


def position(source: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1."""
    return source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset)


def fail(source: str, offset: int, message: str) -> NoReturn:
    """Refuse the template, with line and column."""
    raise TemplateSyntaxError(message, *position(source, offset))


def scan(source: str) -> list[Piece]:
    """Split a template into text and tags as written; white space is not changed."""
    pieces: list[Piece] = []
    text: list[str] = []
    start = tags = 0
    while (at := source.find("{{", start)) >= 0:
        slashes = _backslashes_before(source, start, at)
        text.append(source[start : at - min(slashes, 1)])
        if slashes == 1:
            text.append("{{")
            start = at + 2
            continue
        _flush(text, pieces)
        tags += 1
        if tags > MAX_TAGS:
            fail(source, at, f"A template can have at most {MAX_TAGS:,} tags.")
        tag = _read_tag(source, at)
        pieces.append(tag)
        start = tag.end
    text.append(source[start:])
    _flush(text, pieces)
    return pieces


def _backslashes_before(source: str, start: int, at: int) -> int:
    if at == start or source[at - 1] != "\\":
        return 0
    # Two backslashes are an escaped backslash before a real tag.
    return 2 if at - 2 >= start and source[at - 2] == "\\" else 1


def _flush(text: list[str], pieces: list[Piece]) -> None:
    joined = "".join(text)
    text.clear()
    if joined:
        pieces.append(TextRun(joined))


def _read_tag(source: str, at: int) -> Tag:
    if source.startswith("{{{{", at):
        fail(
            source,
            at,
            "Raw blocks (`{{{{name}}}}`) are not supported. Write `\\{{` to write braces as text.",
        )
    strips_left = source.startswith("~", at + 2)
    start = at + 3 if strips_left else at + 2
    if source.startswith("!", start):
        return _read_comment(source, at, start, strips_left)
    for sigil, message in _REFUSED.items():
        if source.startswith(sigil, start):
            fail(source, at, message)
    sigil = source[start : start + 1]
    sigil = sigil if sigil and sigil in "#/^&{" else ""
    tag = Tag(TagKind.OUTPUT, at, at, strips_left)
    _read_tokens(source, tag, start + len(sigil), _TRIPLE_CLOSE if sigil == "{" else _CLOSE)
    if not sigil and tag.tokens and _ELSE_AND_MORE.match(tag.tokens[0].text):
        name = tag.tokens[0].text[:60]
        fail(source, at, f"`{name}` is read as `else`. If it is a name, write `this.{name}`.")
    tag.kind = _kind(sigil, tag.tokens)
    return tag


def _read_comment(source: str, at: int, start: int, strips_left: bool) -> Tag:
    is_long = source.startswith("!--", start)
    close = _LONG_COMMENT_CLOSE if is_long else _CLOSE
    end = close.search(source, start + 1)
    if end is None:
        fail(
            source,
            at,
            f"This comment is not closed. Write `{'--}}' if is_long else '}}'}` at its end.",
        )
    return Tag(TagKind.COMMENT, at, end.end(), strips_left, bool(end[1]))


def _read_tokens(source: str, tag: Tag, start: int, close: re.Pattern[str]) -> None:
    follows_value = False
    while True:
        if end := close.match(source, start):
            tag.strips_right = bool(end[1])
            tag.end = end.end()
            return
        token = _TOKEN.match(source, start)
        if token is None:
            _fail_at_character(source, tag, start, close)
        text = token.group()
        kind = text if token.lastgroup == "mark" else token.lastgroup or ""
        # A filter with arguments, `| join(', ')`, is left to the parser, which suggests a replacement.
        is_filter = kind == "(" and [each.kind for each in tag.tokens[-2:-1]] == ["|"]
        if follows_value and kind in _VALUE_STARTS and not is_filter:
            fail(source, start, "Write a space between the values of a tag.")
        follows_value = kind in _VALUE_ENDS
        if kind != "space":
            if len(tag.tokens) == MAX_WORDS:
                fail(source, tag.offset, f"A tag can have at most {MAX_WORDS:,} words.")
            tag.tokens.append(Token(kind, text, start))
        start = token.end()


def _fail_at_character(source: str, tag: Tag, at: int, close: re.Pattern[str]) -> NoReturn:
    braces = "}}}" if close is _TRIPLE_CLOSE else "}}"
    character = source[at : at + 1]
    if character in ("", "{") or source.startswith("}", at):
        fail(source, tag.offset, f"This tag is not closed. Write `{braces}` after the value.")
    if character in "\"'[":
        fail(
            source,
            at,
            f"This {'name' if character == '[' else 'string'} is not closed. Write `{']' if character == '[' else character}` at its end.",
        )
    if character in "<>!&":
        fail(
            source,
            at,
            f"Templates have no operator `{character}`. Use a helper, as in `{{{{#if (gt a b)}}}}`.",
        )
    fail(source, at, f"The character `{character}` is not valid inside `{{{{…}}}}`.")


def _kind(sigil: str, tokens: list[Token]) -> TagKind:
    match sigil:
        case "#":
            return TagKind.OPEN
        case "/":
            return TagKind.CLOSE
        case "^":
            return TagKind.OPEN_INVERSE if tokens else TagKind.ELSE
        case "":
            is_else = bool(tokens) and tokens[0].text == "else"
            return TagKind.ELSE if is_else else TagKind.OUTPUT
        case _:
            return TagKind.OUTPUT
