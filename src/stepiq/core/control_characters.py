"""Escapes characters that control a terminal, such as the start of an escape sequence.

Text from models, HTTP servers and files can contain them. A terminal that receives them can change its title, write to
the clipboard, or hide and reorder text. Each character is replaced separately, so a sequence that arrives in several
pieces is replaced as well.
"""

import re

_CONTROLS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1, except tab and newline
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of text
    r"\ud800-\udfff"  # cannot be encoded; Python uses them for file names that are not UTF-8
)
_SEPARATORS = r"\u2028\u2029"  # end a line for some programs
_IN_TEXT = re.compile(f"[{_CONTROLS}]")
_IN_JSON = re.compile(f"[{_CONTROLS}{_SEPARATORS}]")
_IN_LINE = re.compile(rf"[{_CONTROLS}{_SEPARATORS}\t\n]")


def escape(text: str) -> str:
    r"""Text for a terminal: `\x1b` instead of an escape character. Newlines and tabs stay."""
    return _IN_TEXT.sub(_visible, text.replace("\r\n", "\n"))


def escape_line(text: str) -> str:
    r"""A single line for a terminal: also `\n` instead of a newline, so that untrusted text cannot add lines."""
    return _IN_LINE.sub(_visible, text)


def escape_json(document: str) -> str:
    r"""An equivalent JSON document for a terminal, with escapes such as `\u009b` instead of the characters."""
    return _IN_JSON.sub(_code, document)


def storable(text: str) -> str:
    """Replace lone surrogates and U+0000, which UTF-8 or PostgreSQL cannot hold, with U+FFFD.

    A surrogate pair becomes its character.
    """
    if "\x00" not in text and _is_unicode(text):
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _visible(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
