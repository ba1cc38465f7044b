"""Finds many needles in a text, in a time that hardly depends on their number."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from stepiq.core.concurrency import pauses

_ANCHOR = 8
"""Characters of a needle that are looked up at once. No needle is shorter."""
_POSITIONS_OF_A_NEEDLE = 4
"""How many positions of a text can be looked up in the time of searching it for one needle."""
_POSITIONS_OF_A_PAUSE = 1_024

Occurrence = tuple[int, int, str]
"""Start and end in the text, and the name of the needle."""


@dataclass(frozen=True)
class Needle:
    """A text to look for."""

    name: str
    text: str

    @cached_property
    def period(self) -> int:
        """The shortest distance at which two occurrences can overlap; the length if they cannot."""
        text = self.text
        borders = [0]
        border = 0
        for char in islice(text, 1, None):
            while border and text[border] != char:
                border = borders[border - 1]
            border += text[border] == char
            borders.append(border)
        return len(text) - border


class Needles:
    """What is looked for in readings of one kind."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self.all = tuple(needles)
        self._by_text: dict[str, list[Needle]] = {}
        for needle in self.all:
            self._by_text.setdefault(needle.text, []).append(needle)
        self._sorted = sorted(self._by_text)
        self._anchors = {text[:_ANCHOR] for text in self._sorted}
        self._longest = max(map(len, self._sorted), default=0)
        self._shorter = _longest_beginnings(self._sorted)

    def occurrences(self, text: str) -> Iterator[Occurrence]:
        """All occurrences, in no particular order, except those inside the overlapping occurrences of a needle."""
        for needle in self._occurring(text):
            for start, end in _occurrences(text, needle):
                yield start, end, needle.name

    def _occurring(self, text: str) -> Iterable[Needle]:
        """The needles that occur in a text. In a text that is long for their number, all that are not longer."""
        positions = range(len(text) - _ANCHOR + 1)
        if len(positions) > len(self.all) * _POSITIONS_OF_A_NEEDLE:
            return [needle for needle in self.all if len(needle.text) <= len(text)]
        found: set[str] = set()
        for at in positions:
            if not at % _POSITIONS_OF_A_PAUSE:
                pauses.pause_if_due()
            if text[at : at + _ANCHOR] in self._anchors:
                self._add_beginnings(text[at : at + self._longest], found)
        return [needle for each in found for needle in self._by_text[each]]

    def _add_beginnings(self, text: str, found: set[str]) -> None:
        """Add the needles that a text begins with."""
        pauses.pause_if_due()
        at = bisect_right(self._sorted, text) - 1
        # The longest needle that the text begins with is this one, or one that this one begins with.
        wanted = self._sorted[at] if at >= 0 else None
        while wanted is not None and wanted not in found:
            if text.startswith(wanted):
                found.add(wanted)
            wanted = self._shorter.get(wanted)

    def overlap(self, text: str) -> int:
        """The length of the longest beginning of a needle, but not all of it, that the text ends with."""
        start = max(0, len(text) - self._longest + 1)
        if len(text) - start > len(self.all) * _POSITIONS_OF_A_NEEDLE:
            longest = max((_overlap(text, needle.text) for needle in self.all), default=0)
            if longest:
                return longest
            start = max(start, len(text) - _ANCHOR + 1)
        for at in range(start, len(text)):
            is_short = len(text) - at < _ANCHOR
            if (is_short or text[at : at + _ANCHOR] in self._anchors) and self._begun(text[at:]):
                return len(text) - at
        return 0

    def _begun(self, text: str) -> bool:
        """Whether a needle begins with a text and is longer."""
        pauses.pause_if_due()
        at = bisect_right(self._sorted, text)
        return at < len(self._sorted) and self._sorted[at].startswith(text)


def _longest_beginnings(ordered: Iterable[str]) -> dict[str, str]:
    """For each of these texts, in their order, the longest other one that it begins with, if there is one."""
    found: dict[str, str] = {}
    begun: list[str] = []
    for text in ordered:
        while begun and not text.startswith(begun[-1]):
            begun.pop()
        if begun:
            found[text] = begun[-1]
        begun.append(text)
    return found


def _occurrences(text: str, needle: Needle) -> Iterator[tuple[int, int]]:
    """Where a needle occurs: the first of overlapping occurrences, and then the others together."""
    pauses.pause_if_due()
    wanted, length = needle.text, len(needle.text)
    at = text.find(wanted)
    while at >= 0:
        # The first occurrence is separate, because the longest span at a position gives its name to the label. Occurrences
        # that follow later must not change the name: a stream may have passed on the label.
        yield at, at + length
        last = _last_in_row(text, needle, at)
        if last > at:
            yield at + needle.period, last + length
        at = text.find(wanted, last + 1)


def _last_in_row(text: str, needle: Needle, at: int) -> int:
    """The last of the occurrences that follow the one at `at` at the distance of the needle's period."""
    length, period = len(needle.text), needle.period
    if period == length:
        return at
    # Large steps first: a long text may repeat one character.
    for step in (length - length % period, period):
        added = needle.text[length - step :]
        while text.startswith(added, at + length):
            at += step
    return at


def _overlap(text: str, wanted: str) -> int:
    """How much of `wanted`, but not all of it, the text ends with, from `_ANCHOR` characters on."""
    start = max(0, len(text) - len(wanted) + 1)
    anchor = wanted[:_ANCHOR]
    at = text.find(anchor, start)
    while at >= 0:
        if wanted.startswith(text[at:]):
            return len(text) - at
        at = text.find(anchor, at + 1)
    return 0
