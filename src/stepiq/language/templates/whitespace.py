"""White space around tags: `~` removes all of it, and a line that contains only one tag is removed."""

import re

from stepiq.language.templates.lexer import Piece, Tag, TagKind, TextRun

_BLANK_LINE_END = re.compile(r"[ \t]*+\r?\n?")
_CHARACTERS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def apply(pieces: list[Piece]) -> None:
    """Remove white space from the text next to tags."""
    alone = [
        isinstance(piece, Tag) and _is_alone(pieces, index) for index, piece in enumerate(pieces)
    ]
    for index, piece in enumerate(pieces):
        if not isinstance(piece, TextRun):
            continue
        before = pieces[index - 1] if index else None
        after = pieces[index + 1] if index + 1 < len(pieces) else None
        value = piece.value
        if isinstance(before, Tag):
            value = _eat_left(value, before.strips_right, alone[index - 1])
        if isinstance(after, Tag):
            value = _eat_right(value, after.strips_left, alone[index + 1])
        piece.value = value


def _eat_left(value: str, all_of_it: bool, line_end: bool) -> str:
    if all_of_it:
        return value.lstrip(_CHARACTERS)
    if line_end and (blank := _BLANK_LINE_END.match(value)):
        return value[blank.end() :]
    return value


def _eat_right(value: str, all_of_it: bool, indent: bool) -> str:
    if all_of_it:
        return value.rstrip(_CHARACTERS)
    return value.rstrip(" \t") if indent else value


def _is_alone(pieces: list[Piece], index: int) -> bool:
    tag = pieces[index]
    if not isinstance(tag, Tag) or tag.kind is TagKind.OUTPUT:
        return False
    return _starts_line(pieces, index) and _ends_line(pieces, index)


def _starts_line(pieces: list[Piece], index: int) -> bool:
    if index == 0:
        return True
    before = pieces[index - 1]
    if not isinstance(before, TextRun):
        return False
    tail = before.value.rstrip(_CHARACTERS)
    blank = before.value[len(tail) :]
    return "\n" in blank or (index == 1 and not tail)


def _ends_line(pieces: list[Piece], index: int) -> bool:
    if index + 1 == len(pieces):
        return True
    after = pieces[index + 1]
    if not isinstance(after, TextRun):
        return False
    head = after.value.lstrip(_CHARACTERS)
    blank = after.value[: len(after.value) - len(head)]
    return "\n" in blank or (index + 2 == len(pieces) and not head)
