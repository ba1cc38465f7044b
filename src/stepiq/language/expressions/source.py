"""Prepares an expression for CEL's parser: limits, tokens, and `{{path}}` replaced by the path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from stepiq.core.errors import Invalid
from stepiq.core.json import dumps
from stepiq.language.templates.errors import TemplateSyntaxError
from stepiq.language.templates.lexer import position
from stepiq.language.templates.nodes import FrameValue, Output, Path, Secret
from stepiq.language.templates.template import Template


class ExpressionSyntaxError(Invalid):
    """The text is not an expression of this language."""

    code = "expression_syntax"

    def __init__(
        self, message: str, line: int, column: int, unknown_name: str | None = None
    ) -> None:
        super().__init__(message, line=line, column=column)
        self.line = line
        """Line inside the expression's own text, counted from 1."""
        self.column = column
        """Column inside that line in characters, counted from 1."""
        self.unknown_name = unknown_name
        """The name, if the text reads one that does not exist; at most 60 characters."""


class ExpressionError(Invalid):
    """The expression cannot be evaluated. Messages name the expression and its fields, never their values."""

    code = "expression_error"
    field: str | None = None
    """The field of the expression, if there are several, such as `set.total`."""


MAX_LENGTH = 2_000
"""Longest text of an expression, in characters."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\n\r\f]++|//[^\n]*+)"
    r"|(?P<string>[bB]?[rR](?:\"\"\"(?s:.)*?\"\"\"|'''(?s:.)*?'''|\"[^\"\r\n]*+\"|'[^'\r\n]*+')"
    r"|[bB]?(?:\"\"\"(?s:\\.|[^\\])*?\"\"\"|'''(?s:\\.|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\r\n])*+\"|'(?:\\.|[^'\\\r\n])*+'))"
    r"|(?P<braces>\{\{)"
    r"|(?P<number>[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|\.[0-9]++(?:[eE][+-]?[0-9]++)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*+)"
    r"|(?P<field>`[^`\r\n]*+`)"
    r"|(?P<mark>===|!==|==|!=|<=|>=|<>|=>|&&|\|\||\?\?|\*\*|\+\+|[()\[\]{}.,?:<>=!&|+\-*/%])"
)
_TAG = re.compile(r"\{\{ *((?:input|vars|variables|steps|run|item|index)\b[\w.]{0,100}) *\}\}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_KEYWORDS = frozenset({"in", "true", "false", "null"})
_QUOTES = ("'", '"')
_TYPOGRAPHIC_QUOTES = "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
_UNSUPPORTED_MACROS = ("optMap", "optFlatMap")
_DOT_FIRST = "For a field that may be absent, write the dot first: `input.?topic`."
SECRETS_REFUSED = (
    "Secrets can only be used in templates, as `{{env.NAME}}`. Expressions cannot read `env`."
)


@dataclass(frozen=True, slots=True)
class ExpressionToken:
    """A word, a string, a number or a mark."""

    kind: str
    text: str
    offset: int
    """Offset in the text that CEL reads."""


@dataclass(slots=True)
class ExpressionSource:
    """The text of an expression, as written and as CEL reads it."""

    written: str
    text: str
    tokens: list[ExpressionToken]
    """The tokens of `text`, without white space and comments."""
    origins: list[int]
    """For each character of `text`, its offset in `written`."""

    def origin(self, offset: int) -> int:
        """The offset in `written` for an offset in `text`."""
        return self.origins[offset] if offset < len(self.origins) else len(self.written)

    def is_in_placeholder(self, offset: int) -> bool:
        """Whether an offset in `text` is inside `{{path}}`."""
        return self.written.startswith("{{", self.origin(offset))

    def fail(self, offset: int, message: str, unknown_name: str | None = None) -> NoReturn:
        """Refuse the expression at an offset in `text`."""
        fail(self.written, self.origin(offset), message, unknown_name)


def fail(written: str, offset: int, message: str, unknown_name: str | None = None) -> NoReturn:
    """Refuse the expression at an offset in the text as written."""
    raise ExpressionSyntaxError(message, *position(written, offset), unknown_name)


def read(written: str) -> ExpressionSource:
    """Split an expression's text into tokens.

    Raises:
        ExpressionSyntaxError: the text is too long, empty, or contains invalid characters.
    """
    if len(written) > MAX_LENGTH:
        fail(written, MAX_LENGTH, f"An expression can have at most {MAX_LENGTH:,} characters.")
    try:
        written.encode()
    except UnicodeEncodeError as error:
        fail(written, error.start, "The expression contains half of a surrogate pair. Remove it.")
    source = ExpressionSource(written, "", [], [])
    pieces: list[str] = []
    at = 0
    while at < len(written):
        token = _TOKEN.match(written, at)
        if token is None:
            _fail_at_character(written, at)
        kind, text, end = token.lastgroup or "", token.group(), token.end()
        is_placeholder = kind == "braces"
        if is_placeholder:
            text, end = _read_placeholder(written, at)
            kind = "placeholder"
        if kind != "space":
            source.tokens.append(ExpressionToken(kind, text, len(source.origins)))
        pieces.append(text)
        source.origins.extend([at] * len(text) if is_placeholder else range(at, end))
        at = end
        if kind in ("mark", "word"):
            _refuse(source)
    if not source.tokens:
        fail(written, 0, "The expression is empty. Write one such as `input.score >= 8`.")
    source.text = "".join(pieces)
    return source


def quoted_paths(written: str) -> Iterator[tuple[int, str]]:
    """Each `{{path}}` inside the strings of an expression, with its offset."""
    for token in _TOKEN.finditer(written):
        for found in _TAG.finditer(token["string"] or ""):
            yield token.start() + found.start(), found[1]


def _refuse(source: ExpressionSource) -> None:
    """Refuse syntax that CEL accepts and this language does not support."""
    token = source.tokens[-1]
    before = source.tokens[-2] if len(source.tokens) > 1 else None
    if token.text == ".":
        is_value = before is not None and (
            (before.kind != "mark" and before.text != "in") or before.text in (")", "]", "}")
        )
        if not is_value:
            is_fallback = before is not None and before.text == "?"
            message = _DOT_FIRST if is_fallback else "A name cannot start with a dot."
            source.fail(token.offset, message)
    if token.text in _UNSUPPORTED_MACROS and before is not None and before.text == ".":
        source.fail(
            token.offset,
            f"`{token.text}` is not supported. Write `has(input.topic) ? … : …`.",
        )


def _fail_at_character(written: str, at: int) -> NoReturn:
    character = written[at]
    if character in _QUOTES:
        fail(written, at, f"This string is not closed. Write `{character}` at its end.")
    if character == "`":
        fail(written, at, "This name is not closed. Write a backtick at its end.")
    if written.startswith("${", at):
        fail(written, at, "Write the expression without `${{ … }}` or `${…}` around it.")
    if character == "$":
        fail(written, at, "Write names without `$`: `input.topic`, `steps.review.output`.")
    if character in _TYPOGRAPHIC_QUOTES:
        fail(written, at, "Use straight quotes: `'text'`.")
    shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
    fail(written, at, f"The character {shown} is only allowed inside quotes.")


def _read_placeholder(written: str, at: int) -> tuple[str, int]:
    """The text that CEL reads for `{{path}}`, and the offset of its end."""
    braces = "}}}" if written.startswith("{{{", at) else "}}"
    close = written.find(braces, at)
    if close < 0:
        fail(written, at, f"These braces are not closed. Write `{braces}` after the path.")
    root, *rest = _read_path(written, at, written[at + len(braces) : close])
    if not _PLAIN_NAME.fullmatch(root) or root in _KEYWORDS:
        message = f"`{root[:60]}` is unknown. Write a path such as `{{{{input.topic}}}}`."
        fail(written, at, message, root[:60])
    # In parentheses, so that it is one value in any context.
    return f"({root}{''.join(map(_write_part, rest))})", close + len(braces)


def _read_path(written: str, at: int, inside: str) -> tuple[str, ...]:
    try:
        nodes = Template.compile(f"{{{{{inside}}}}}").nodes
    except TemplateSyntaxError:
        nodes = ()
    match nodes:
        case (Output(Path(frame=0, value=FrameValue.CONTEXT, parts=parts)),) if parts:
            return parts
        case (Output(Secret()),):
            fail(written, at, SECRETS_REFUSED)
        case _:
            fail(
                written,
                at,
                "Braces can only contain a path, such as `{{input.topic}}`. "
                "Write the rest of the expression without braces.",
            )


def _write_part(part: str) -> str:
    if _INDEX.fullmatch(part):
        return f"[{part}]"
    if _PLAIN_NAME.fullmatch(part) and part not in _KEYWORDS:
        return f".{part}"
    return f"[{dumps(part)}]"
