"""Scalars in their five styles, and the values of plain ones under the core schema."""

import math
import re
from dataclasses import dataclass

from stepiq.core.json import MAX_NUMBER_DIGITS, Json
from stepiq.language.documents.yaml.scanner import BLANKS, END, MARK, TAB, Scanner, spaces

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]++|0o[0-7]++|0x[0-9a-fA-F]++")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]++|[0-9]++(?:\.[0-9]*+)?)(?:[eE][-+]?[0-9]++)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class _Plain:
    """Patterns of plain scalars in one context."""

    first: re.Pattern[str]
    """Matches the first line."""
    more: re.Pattern[str]
    """Matches each following line."""


def _plain(forbidden: str) -> _Plain:
    word = rf"[^ \t\n:#{forbidden}]"
    colon = rf":(?=[^ \t\n{forbidden}])"
    rest = rf"(?:[ \t]*+(?:{word}++|{colon}|(?<=[^ \t\n])#))"
    start = rf"(?:[^ \t\n\-?:,\[\]{{}}#&*!|>'\"%@`\x00]|[-?:](?=[^ \t\n{forbidden}]))"
    return _Plain(re.compile(rf"{start}{rest}*+"), re.compile(rf"(?!\x00){rest}++"))


_BLOCK = _plain("")
_FLOW = _plain(r",\[\]{}")
_KEY = re.compile(rf"({_BLOCK.first.pattern})[ \t]*+:(?=[ \t\n])")
_QUOTED_KEY = {
    '"': re.compile(r'"((?:[^"\\\n]++|\\[^\n])*+)"[ \t]*+:(?=[ \t\n])'),
    "'": re.compile(r"'((?:[^'\n]++|'')*+)'[ \t]*+:(?=[ \t\n])"),
}
_QUOTED = {
    '"': re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL),
    "'": re.compile(r"'((?:[^']++|'')*+)'"),
}
_CONTINUATION = re.compile(r"[ \t]*+\n((?:[ \t]*+\n)*+)( *+)[ \t]*+")
_MAX_KEY = 1024
"""Longest key on one line that YAML allows."""

_ESCAPED = {
    "0": "\x00", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HIGH, _LOW = "[dD][89abAB][0-9a-fA-F]{2}", "[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = (
    rf"\\(?:u({_HIGH})\\u({_LOW})|u(?!{_HIGH}|{_LOW})([0-9a-fA-F]{{4}})|x([0-9a-fA-F]{{2}})"
    rf"|U(?!0000(?:{_HIGH}|{_LOW}))(0010[0-9a-fA-F]{{4}}|000[0-9a-fA-F]{{5}})"
    r'|([0abt\tnvfre "/\\N_LP]))'
)
_ONE_ESCAPE = re.compile(_ESCAPE)
# Groups inside a possessive repetition can fail in Python's engine, so this pattern has none.
_UNGROUPED = re.sub(r"\((?!\?)", "(?:", _ESCAPE)
_WELL_ESCAPED = re.compile(rf"(?:[^\\]++|{_UNGROUPED}|\\\n)*+")
_BEHIND_MARK = "The text starts on the line below `|` or `>`. Move it there, and indent it."
_HEADER = re.compile(r"[|>](?:([1-9])([-+])?|([-+])([1-9])?)?(?=[ \t\n])")


def resolve(s: Scanner, text: str, at: int) -> Json:
    """The value of a plain scalar that starts at an offset."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        return _bad_number(
            s,
            f"`{text}` is not a number in JSON. Write a finite number, or put the value in quotes.",
            at,
        )
    is_integer = _INTEGER.fullmatch(text) is not None
    if not is_integer and not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_NUMBER_DIGITS:
        return _bad_number(
            s,
            f"This number has more than {MAX_NUMBER_DIGITS} characters. If it is text, put it in quotes.",
            at,
        )
    if is_integer:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    number = float(text)
    if math.isinf(number):
        return _bad_number(s, "This number is too large for JSON. The largest is 1.79e308.", at)
    return number


def _bad_number(s: Scanner, message: str, at: int) -> None:
    s.spoil("invalid_number", message, at)


def key(s: Scanner) -> str | None:
    """A key of a block mapping and its colon; None if there is none here."""
    start = s.at
    quote = s.text[start]
    found = (_QUOTED_KEY.get(quote) or _KEY).match(s.text, start)
    if found is None:
        return None
    s.at = found.end()
    if found.end(1) - start > _MAX_KEY:
        s.fail(f"A key can have at most {_MAX_KEY:,} characters.", start)
    return _unquote(s, quote, found[1], start) if quote in _QUOTED_KEY else found[1]


def plain(s: Scanner, parent: int, *, is_flow: bool = False) -> str | None:
    """A plain scalar, which may continue on lines indented deeper than `parent`; None if none starts here."""
    patterns = _FLOW if is_flow else _BLOCK
    text = s.text
    found = patterns.first.match(text, s.at)
    if found is None:
        return None
    parts = [found.group()]
    while True:
        s.at = found.end()
        gap = _CONTINUATION.match(text, s.at)
        if gap is None or len(gap[2]) <= parent or s.is_marker(gap.start(2)):
            break
        found = patterns.more.match(text, gap.end())
        if found is None:
            break
        parts += ("\n" * gap[1].count("\n") or " ", found.group())
    return "".join(parts)


def quoted(s: Scanner, parent: int) -> str:
    """A quoted scalar. Its lines after the first are indented deeper than `parent`."""
    start = s.at
    quote = s.text[start]
    found = _QUOTED[quote].match(s.text, start)
    if found is None:
        s.fail(
            f"The text that starts here has no closing `{quote}`. Add it at the end of the text."
        )
    if "\n" in found[1]:
        _check_lines(s, found.start(), found.end(), parent, quote)
    s.at = found.end()
    return _unquote(s, quote, found[1], start)


def _check_lines(s: Scanner, start: int, end: int, parent: int, quote: str) -> None:
    at = s.text.find("\n", start, end) + 1
    while at:
        content = BLANKS.match(s.text, at)
        behind = content.end() if content else at
        indent = len(s.text[at:behind].split("\t", 1)[0])
        if s.text[behind] != "\n" and (indent <= parent or s.is_marker(at)):
            line, _ = s.position(at)
            s.fail(
                f"The text that starts here has no closing `{quote}` before line {line}. Add it, or indent the lines of "
                f"the text by at least {spaces(parent + 1)}.",
                start,
            )
        at = s.text.find("\n", at, end) + 1


def _unquote(s: Scanner, quote: str, written: str, start: int) -> str:
    s.quoted_marks.update(start + 1 + found.start() for found in re.finditer(MARK, written))
    if quote == "'":
        return _fold(written.split("\n"), "").replace("''", "'")
    if "\\" not in written:
        return _fold(written.split("\n"), "")
    good = _WELL_ESCAPED.match(written)
    behind = good.end() if good else 0
    if behind < len(written):
        s.fail(_bad_escape(written[behind : behind + 6]), start + 1 + behind)
    text = _ONE_ESCAPE.sub(_unescape, _fold(written.split("\n"), "\\"))
    if "\x00" in text:
        message = "The character U+0000 cannot be part of a definition. Remove it."
        s.spoil("invalid_character", message, start)
    return text


def _bad_escape(written: str) -> str:
    if written[1:2] in ("u", "U"):
        return f"`{written}` is not a valid escape sequence. Write the character itself."
    return (
        f"`{written[:2]}` is not a valid escape sequence in double quotes. Write `\\\\` for a backslash, "
        "or put the text in single quotes."
    )


def _unescape(found: re.Match[str]) -> str:
    high, low, *codes, letter = found.groups()
    if high:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    return _ESCAPED[letter] if letter else chr(int(next(filter(None, codes)), 16))


def _fold(lines: list[str], escape: str) -> str:
    """Join the lines of a quoted text. After an escaped line break, the lines are joined without a space."""
    last = len(lines) - 1
    parts: list[str] = []
    breaks, is_joined = 0, True
    for index, line in enumerate(lines):
        part = line.lstrip(" \t") if index else line
        is_escaped = False
        if index < last:
            part, is_escaped = _end_of_line(part, escape)
            if index and not part and not is_escaped:
                breaks += 1
                continue
        parts += ("\n" * breaks or ("" if is_joined else " "), part)
        breaks, is_joined = 0, is_escaped
    return "".join(parts)


def _end_of_line(part: str, escape: str) -> tuple[str, bool]:
    """A line without trailing blanks, and whether its line break is escaped."""
    bare = part.rstrip(" \t")
    if not escape or (len(bare) - len(bare.rstrip(escape))) % 2 == 0:
        return bare, False
    if len(bare) < len(part):
        return part[: len(bare) + 1], False  # The escape applies to a blank, which stays.
    return bare[:-1], True


def block(s: Scanner, parent: int) -> str:
    """A block scalar after `|` or `>`: all lines indented deeper than `parent`."""
    header = _HEADER.match(s.text, s.at)
    if header is None:
        s.fail(_BEHIND_MARK)
    is_folded = header.group()[0] == ">"
    digit, chomp = header[1] or header[4], header[2] or header[3]
    s.at = header.end()
    s.end_line(_BEHIND_MARK)
    indent = max(parent, 0) + int(digit) if digit else _detect_indent(s, parent)
    lines = _block_lines(s, indent)
    if s.is_cut and s.text[s.at] == END and lines[1:] and not lines[-1]:
        lines.pop()  # Blanks without a line break are not an empty line.
    count = len(lines)
    while lines and not lines[-1]:
        lines.pop()
    ending = "\n" if lines and chomp != "-" else ""
    if chomp == "+":
        ending += "\n" * (count - len(lines))
    return (_fold_block(lines) if is_folded else "\n".join(lines)) + ending


_LEADING = re.compile(r"((?: *+\n)*+)( *+)")


def _detect_indent(s: Scanner, parent: int) -> int:
    found = _LEADING.match(s.text, s.at)
    empty, indent = (found[1], len(found[2])) if found else ("", 0)
    longest = max(map(len, empty.split("\n")))
    if indent <= parent or (found and s.text[found.end()] == END):
        return max(parent + 1, longest)
    if longest > indent:
        s.fail(
            f"The empty lines above have more spaces than this line, which has {indent}. Remove them.",
            found.end() if found else s.at,
        )
    return indent


def _block_lines(s: Scanner, indent: int) -> list[str]:
    text, at = s.text, s.at
    margin = " " * indent
    lines: list[str] = []
    while text[at] != END:
        end = text.index("\n", at)
        if text.startswith(margin, at):
            if not indent and s.is_marker(at):
                break
            lines.append(text[at + indent : end])
        elif rest := text[at:end].lstrip(" "):
            if rest[0] == "\t":
                s.fail(TAB, at)
            break
        else:
            lines.append("")
        at = end + 1
    s.at = at
    return lines


def _fold_block(lines: list[str]) -> str:
    parts: list[str] = []
    breaks, is_indented, is_first = 0, True, True
    for line in lines:
        if not line:
            breaks += 1
            continue
        was_indented, is_indented = is_indented, line[0] in " \t"
        if is_first:
            parts.append("\n" * breaks)
        elif was_indented or is_indented:
            parts.append("\n" * (breaks + 1))
        else:
            parts.append("\n" * breaks or " ")
        parts.append(line)
        breaks, is_first = 0, False
    return "".join(parts)
