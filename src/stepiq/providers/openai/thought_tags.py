"""Separates thoughts from an answer that begins with them, between `<think>` and `</think>`."""

import re
from collections.abc import Iterator
from enum import Enum, auto

from stepiq.providers.answers import OtherPiece, Piece, ReasoningPiece

_BEGIN = "<think>"
_END = "</think>"
_MAX_BLANK = 1024
"""Most characters of white space before a tag, or that are removed after one."""
_OPENING = re.compile(rf"\s{{0,{_MAX_BLANK}}}{_BEGIN}")


class _Part(Enum):
    START = auto()
    THOUGHTS = auto()
    ANSWER = auto()


class ThoughtTags:
    """Reads the pieces of an answer's text. Pieces may end anywhere, also within a tag."""

    def __init__(self) -> None:
        self._part = _Part.START
        self._follows_thoughts = False
        self._held = ""
        """What may be the beginning of a tag, and the white space before it."""

    @property
    def is_open(self) -> bool:
        """Whether the thoughts have begun and not ended."""
        return self._part is _Part.THOUGHTS

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield what is complete with this piece. Tags and removed white space are only counted."""
        text = self._release() + text
        at = 0
        while self._part is not _Part.ANSWER and at < len(text):
            if self._part is _Part.THOUGHTS:
                end = text.find(_END, at)
                if end < 0:
                    yield from self._thoughts(text[at:])
                    return
                if end > at:
                    yield ReasoningPiece(text[at:end])
                at = end + len(_END)
                self._part = _Part.START
                self._follows_thoughts = True
                yield OtherPiece(_END)
            elif opening := _OPENING.match(text, at):
                at = opening.end()
                self._part = _Part.THOUGHTS
                yield OtherPiece(opening.group())
            else:
                yield from self._start(text[at:])
                return
        if at < len(text):
            yield text[at:]

    def end(self) -> Iterator[Piece]:
        """Yield what was held back, at the end of the answer."""
        if held := self._release():
            yield from [ReasoningPiece(held)] if self.is_open else self._begin_answer(held)

    def _thoughts(self, text: str) -> Iterator[Piece]:
        length = next((n for n in range(len(_END), 0, -1) if text.endswith(_END[:n])), 0)
        self._held = text[len(text) - length :]
        if thought := text.removesuffix(self._held):
            yield ReasoningPiece(thought)

    def _start(self, text: str) -> Iterator[Piece]:
        if _BEGIN.startswith(text.lstrip()) and _blank(text) <= _MAX_BLANK:
            self._held = text
        else:
            yield from self._begin_answer(text)

    def _begin_answer(self, text: str) -> Iterator[Piece]:
        self._part = _Part.ANSWER
        answer = _without_blank_lines(text) if self._follows_thoughts else text
        if blank := text.removesuffix(answer):
            yield OtherPiece(blank)
        if answer:
            yield answer

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held


def _blank(text: str) -> int:
    """The number of characters of white space at the beginning."""
    return len(text) - len(text.lstrip())


def _without_blank_lines(text: str) -> str:
    """The text without the blank lines before it. The white space in its first line is kept."""
    blank = _blank(text)
    if blank > _MAX_BLANK:
        return text
    return "" if blank == len(text) else text[text.rfind("\n", 0, blank) + 1 :]
