"""Separates thoughts from an answer that begins with them, between `<think>` and `</think>`."""

from collections.abc import Iterator
from enum import Enum, auto

_BEGIN = "<think>"
_END = "</think>"


class _Part(Enum):
    START = auto()
    THOUGHTS = auto()
    GAP = auto()
    ANSWER = auto()


class ThoughtTags:
    """Reads the pieces of an answer's text. Pieces may end anywhere, also within a tag."""

    def __init__(self) -> None:
        self._part = _Part.START
        self._held: list[str] = []
        """What may be the beginning of a tag, and the white space before it."""

    @property
    def is_open(self) -> bool:
        """Whether the thoughts have begun and not ended."""
        return self._part is _Part.THOUGHTS

    def feed(self, text: str) -> Iterator[tuple[str, bool]]:
        """Yield the texts that are complete with this piece, and whether they are thoughts."""
        if self._part is _Part.START:
            yield from self._at_start(text)
        elif self._part is _Part.THOUGHTS:
            yield from self._in_thoughts(text)
        elif self._part is _Part.GAP:
            yield from self._in_gap(text)
        else:
            yield text, False

    def end(self) -> Iterator[tuple[str, bool]]:
        """Yield what was held back, at the end of the answer."""
        if self._held:
            yield self._release(), self.is_open

    def _at_start(self, text: str) -> Iterator[tuple[str, bool]]:
        self._held.append(text)
        if text.isspace():
            return
        whole = self._release()
        begun = whole.lstrip()
        if begun.startswith(_BEGIN):
            self._part = _Part.THOUGHTS
            yield from self._in_thoughts(begun.removeprefix(_BEGIN))
        elif _BEGIN.startswith(begun):
            self._held = [whole]
        else:
            self._part = _Part.ANSWER
            yield whole, False

    def _in_thoughts(self, text: str) -> Iterator[tuple[str, bool]]:
        thought, tag, answer = (self._release() + text).partition(_END)
        if not tag:
            held = next((n for n in range(len(_END), 0, -1) if thought.endswith(_END[:n])), 0)
            if held:
                self._held = [thought[-held:]]
                thought = thought[:-held]
        if thought:
            yield thought, True
        if tag:
            self._part = _Part.GAP
            yield from self._in_gap(answer)

    def _in_gap(self, text: str) -> Iterator[tuple[str, bool]]:
        if answer := text.lstrip():
            self._part = _Part.ANSWER
            yield answer, False

    def _release(self) -> str:
        held, self._held = "".join(self._held), []
        return held
