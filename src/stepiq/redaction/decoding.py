"""Decodes URL and JSON escapes of a text in every combination, and maps positions back to the original."""

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from stepiq.core.concurrency import pauses

DEPTH = 2
"""Number of nested escapings that are decoded."""

UNREADABLE = "\ufffd"
"""Replaces escaped bytes that are not valid UTF-8."""
_MOST_HALVES = 3

Characters = tuple[str, Sequence[int]]
"""Decoded characters, and the length of the escape of each."""

Run = tuple[int, int, Characters]
"""Start and end of consecutive escapes, and the characters they encode."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Maps positions of a reading to positions of the original."""

    here: list[int]
    """Positions in the reading, from the first to one past the last."""
    there: list[int]
    """The corresponding positions in the original."""
    stride: list[int]
    """Length in the original of each character from there on."""

    def add(self, here: int, there: int, stride: int) -> None:
        """Add a position, unless the previous entry already implies it."""
        if (
            self.here
            and self.stride[-1] == stride
            and self.there[-1] + (here - self.here[-1]) * stride == there
        ):
            return
        self.here.append(here)
        self.there.append(there)
        self.stride.append(stride)

    def index(self, at: int) -> int:
        """Index of the last entry at or before a position of the reading."""
        return bisect_right(self.here, at) - 1


class DecodedText:
    """A text, decoded in one way. The map of its positions is computed when it is first used."""

    def __init__(
        self,
        text: str,
        *,
        length: int,
        open_from: int,
        source: "DecodedText | None" = None,
        runs: Callable[[], Sequence[Run]] = tuple,
    ) -> None:
        self.text = text
        self.length = length
        """Length of the original."""
        self.open_from = open_from
        """Position in the original from which decoding must wait for more text; `length` if there is none."""
        self._source = source
        self._runs = runs

    def position(self, at: int) -> int:
        """The position in the original of a position of the reading."""
        return self._place(self.anchors.index(at), at)

    def end(self, at: int) -> int:
        """The end in the original of the character before a position of the reading.

        This differs from `position(at)` where characters of the original are left out.
        """
        return self._place(self.anchors.index(at - 1), at)

    def boundary(self, there: int) -> int:
        """The start in the original of the decoded character that contains a position of the original."""
        anchors = self.anchors
        index = bisect_right(anchors.there, there) - 1
        start, stride = anchors.there[index], anchors.stride[index]
        return start + (there - start) // stride * stride

    def _place(self, index: int, at: int) -> int:
        anchors = self.anchors
        return anchors.there[index] + (at - anchors.here[index]) * anchors.stride[index]

    @cached_property
    def anchors(self) -> Anchors:
        """The map from its positions to positions of the original."""
        if self._source is None:
            return Anchors([0], [0], [1])
        return _anchors(self._source, self._runs(), len(self._source.text))

    def rewritten(
        self, text: str, runs: Callable[[], Sequence[Run]], open_from: int | None = None
    ) -> "DecodedText":
        """This reading with runs replaced; `text` is the result."""
        return DecodedText(
            text,
            length=self.length,
            open_from=self.open_from if open_from is None else open_from,
            source=self,
            runs=runs,
        )


@dataclass(frozen=True, slots=True)
class _Escaping:
    """One way to escape characters."""

    sign: str
    """A character that every escape of this kind contains."""
    runs: re.Pattern[str]
    """Matches consecutive escapes."""
    begun: re.Pattern[str]
    """Matches a possible beginning of an escape at the end of a text."""
    read: Callable[[str], Characters]


def _read_percent(run: str) -> Characters:
    parts = re.findall(r"%..|\+", run)
    raw = bytes(0x20 if part == "+" else int(part[1:], 16) for part in parts)
    widths = [len(part) for part in parts]
    if raw.isascii():
        return raw.decode(), widths
    chars: list[str] = []
    sizes: list[int] = []
    at = 0
    while at < len(raw):
        char = _utf8(raw[at : at + 4])
        size = len(char.encode()) if char else 1
        chars.append(char or UNREADABLE)
        sizes.append(sum(widths[at : at + size]))
        at += size
    return "".join(chars), sizes


def _utf8(data: bytes) -> str | None:
    """The character that the bytes begin with; None if they are not valid UTF-8."""
    for size in range(1, len(data) + 1):
        try:
            return data[:size].decode()
        except UnicodeDecodeError:
            continue
    return None


_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_JSON_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
)


def _read_json(run: str) -> Characters:
    escapes: list[str] = _JSON_ESCAPE.findall(run)
    return "".join(map(_json_char, escapes)), [len(escape) for escape in escapes]


def _json_char(escape: str) -> str:
    if escape[1] != "u":
        return _SHORT.get(escape[1], escape[1])
    halves = [int(half, 16) for half in escape[2:].split("\\u")]
    if len(halves) == 1:
        return chr(halves[0])
    return chr(0x10000 + ((halves[0] - 0xD800) << 10) + (halves[1] - 0xDC00))


_PERCENT = _Escaping(
    "%", re.compile(r"(?:%[0-9a-fA-F]{2})+"), re.compile(r"%[0-9a-fA-F]?\Z"), _read_percent
)
_FORM = _Escaping("+", re.compile(r"(?:%[0-9a-fA-F]{2}|\+)+"), _PERCENT.begun, _read_percent)
_JSON = _Escaping(
    "\\",
    re.compile(r"""(?:\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])+"""),
    re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z"),
    _read_json,
)
_LONGEST_BEGUN = 5
_LINE_END = re.compile(r"(?<=[A-Za-z0-9+/])[ \t]*\r?\n[ \t]*(?=[A-Za-z0-9+/=])")


def readings(text: str, *, plus: bool, is_open: bool = False) -> list[DecodedText]:
    """The text itself, and every decoded form of it that differs.

    Args:
        text: the original.
        plus: also decode `+` as a space, as in forms.
        is_open: more text may follow, so a possible beginning of an escape at the end is left out.
    """
    found = [DecodedText(text, length=len(text), open_from=len(text))]
    level = found
    kinds = (_PERCENT, _FORM, _JSON) if plus else (_PERCENT, _JSON)
    for _ in range(DEPTH):
        following: list[DecodedText] = []
        for reading, kind in itertools.product(level, kinds):
            if kind.sign not in reading.text:
                continue
            read = _read_open(reading, kind) if is_open else _read(reading, kind)
            if read.text != reading.text:
                following.append(read)
        found = [*found, *following]
        level = following
    return found


def in_base64(reading: DecodedText) -> DecodedText:
    """The reading with the URL-safe alphabet replaced by the standard one, and without line ends in encoded text."""
    text = reading.text.replace("-", "+").replace("_", "/")
    if "\n" not in text:
        return reading.rewritten(text, tuple)
    return reading.rewritten(
        _LINE_END.sub("", text),
        lambda: [(run.start(), run.end(), ("", ())) for run in _LINE_END.finditer(text)],
    )


def _read(reading: DecodedText, kind: _Escaping) -> DecodedText:
    def read(run: re.Match[str]) -> str:
        pauses.pause_if_due()
        return kind.read(run.group())[0]

    text = kind.runs.sub(read, reading.text)
    return reading.rewritten(text, lambda: _runs(reading.text, kind))


def _read_open(reading: DecodedText, kind: _Escaping) -> DecodedText:
    text, runs = reading.text, _runs(reading.text, kind)
    read_to = runs[-1][1] if runs else 0
    begun = kind.begun.search(text, max(read_to, len(text) - _LONGEST_BEGUN))
    end = begun.start() if begun else len(text)
    if runs and end == read_to:
        # The second half of the run's last character may not have arrived yet.
        start, end, (chars, widths) = runs[-1]
        whole = len(chars)
        while whole and _is_half(chars[whole - 1]) and len(chars) - whole < _MOST_HALVES:
            whole -= 1
            end -= widths[whole]
        runs[-1] = (start, end, (chars[:whole], widths[:whole]))
    open_from = reading.open_from
    if end < len(text):
        open_from = min(open_from, reading.position(end))
    return reading.rewritten(_written(text[:end], runs), lambda: runs, open_from)


def _written(text: str, runs: Sequence[Run]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, (chars, _) in runs:
        pieces += (text[at:start], chars)
        at = end
    return "".join([*pieces, text[at:]])


def _is_half(char: str) -> bool:
    return char == UNREADABLE or "\ud800" <= char <= "\udbff"


def _runs(text: str, kind: _Escaping) -> list[Run]:
    return [(run.start(), run.end(), kind.read(run.group())) for run in kind.runs.finditer(text)]


def _anchors(source: DecodedText, runs: Sequence[Run], length: int) -> Anchors:
    """The position map of `source` with runs replaced."""
    found = Anchors([], [], [])
    at = size = 0
    for start, end, (_, widths) in runs:
        _copy(source, at, start, size - at, found)
        size += start - at
        at = start
        place = source.position(at)
        for width in widths:
            at += width
            following = source.position(at)
            found.add(size, place, following - place)
            place = following
            size += 1
        at = end
    _copy(source, at, length, size - at, found)
    found.add(size + length - at, source.position(length), 1)
    return found


def _copy(source: DecodedText, start: int, end: int, ahead: int, found: Anchors) -> None:
    """Copy the entries of the positions from `start` to `end`."""
    if start == end:
        return
    known = source.anchors
    first = known.index(start)
    found.add(start + ahead, source.position(start), known.stride[first])
    for index in range(first + 1, known.index(end - 1) + 1):
        found.add(known.here[index] + ahead, known.there[index], known.stride[index])
