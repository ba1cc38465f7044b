"""Every way in which a text can be read: as it is, and with URL and JSON escapes taken as what they stand for."""

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

DEPTH = 2
"""How many escapings on top of each other are seen through."""

UNREADABLE = "\ufffd"
"""Stands for escaped bytes that are no character."""
_MOST_HALVES = 3

Characters = tuple[str, Sequence[int]]
"""What escapes stand for, and how long each of them is."""

Run = tuple[int, int, Characters]
"""Where escapes that follow each other begin and end, and what they stand for."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Which places of a reading are which places of the original."""

    here: list[int]
    """Positions in the reading, from the first to one behind the last."""
    there: list[int]
    """The same places in the original."""
    stride: list[int]
    """How long each character from there on is in the original."""

    def add(self, here: int, there: int, stride: int) -> None:
        """Note one more place, unless what is known says the same."""
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
        """The last place that is not behind a position of the reading."""
        return bisect_right(self.here, at) - 1


class Reading:
    """A text, read in one way. Which place of it is which of the original is found out when it is asked for."""

    def __init__(
        self,
        text: str,
        *,
        length: int,
        open_from: int,
        source: "Reading | None" = None,
        runs: Callable[[], Sequence[Run]] = tuple,
    ) -> None:
        self.text = text
        self.length = length
        """Of the original."""
        self.open_from = open_from
        """Position in the original from which on the text cannot be read before more of it comes; its length if there is none."""
        self._source = source
        self._runs = runs

    def position(self, at: int) -> int:
        """Where in the original a position of the reading lies."""
        return self._place(self.anchors.index(at), at)

    def end(self, at: int) -> int:
        """Where in the original the character before a position of the reading ends.

        This differs from `position(at)` where characters of the original are left out.
        """
        return self._place(self.anchors.index(at - 1), at)

    def boundary(self, there: int) -> int:
        """Where in the original the character starts that contains a position of the original."""
        anchors = self.anchors
        index = bisect_right(anchors.there, there) - 1
        start, stride = anchors.there[index], anchors.stride[index]
        return start + (there - start) // stride * stride

    def _place(self, index: int, at: int) -> int:
        anchors = self.anchors
        return anchors.there[index] + (at - anchors.here[index]) * anchors.stride[index]

    @cached_property
    def anchors(self) -> Anchors:
        """Where its places are in the original."""
        if self._source is None:
            return Anchors([0], [0], [1])
        return _anchors(self._source, self._runs(), len(self._source.text))

    def rewritten(
        self, text: str, runs: Callable[[], Sequence[Run]], open_from: int | None = None
    ) -> "Reading":
        """This reading with runs replaced; `text` is what it says then."""
        return Reading(
            text,
            length=self.length,
            open_from=self.open_from if open_from is None else open_from,
            source=self,
            runs=runs,
        )


@dataclass(frozen=True, slots=True)
class _Escaping:
    """One way of writing characters as something else."""

    sign: str
    """A character that every escape of this kind contains."""
    runs: re.Pattern[str]
    """Escapes that follow each other."""
    begun: re.Pattern[str]
    """What may be the beginning of an escape, at the end of a text."""
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
    """The character that some bytes begin with."""
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


def readings(text: str, *, plus: bool, is_open: bool = False) -> list[Reading]:
    """The text itself, and every other reading of it.

    Args:
        text: the original.
        plus: also read `+` as a space, as forms do.
        is_open: more may follow, so what may be the beginning of an escape is left out at the end.
    """
    found = [Reading(text, length=len(text), open_from=len(text))]
    level = found
    kinds = (_PERCENT, _FORM, _JSON) if plus else (_PERCENT, _JSON)
    for _ in range(DEPTH):
        following: list[Reading] = []
        for reading, kind in itertools.product(level, kinds):
            if kind.sign not in reading.text:
                continue
            read = _read_open(reading, kind) if is_open else _read(reading, kind)
            if read.text != reading.text:
                following.append(read)
        found = [*found, *following]
        level = following
    return found


def in_base64(reading: Reading) -> Reading:
    """The reading with the URL-safe alphabet as the standard one, and without the line ends inside encoded texts."""
    text = reading.text.replace("-", "+").replace("_", "/")
    if "\n" not in text:
        return reading.rewritten(text, tuple)
    return reading.rewritten(
        _LINE_END.sub("", text),
        lambda: [(run.start(), run.end(), ("", ())) for run in _LINE_END.finditer(text)],
    )


def _read(reading: Reading, kind: _Escaping) -> Reading:
    text = kind.runs.sub(lambda run: kind.read(run.group())[0], reading.text)
    return reading.rewritten(text, lambda: _runs(reading.text, kind))


def _read_open(reading: Reading, kind: _Escaping) -> Reading:
    text, runs = reading.text, _runs(reading.text, kind)
    read_to = runs[-1][1] if runs else 0
    begun = kind.begun.search(text, max(read_to, len(text) - _LONGEST_BEGUN))
    end = begun.start() if begun else len(text)
    if runs and end == read_to:
        # The run's last character may lack its second half.
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


def _anchors(source: Reading, runs: Sequence[Run], length: int) -> Anchors:
    """Where the places of a reading are, which is `source` with runs replaced."""
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


def _copy(source: Reading, start: int, end: int, ahead: int, found: Anchors) -> None:
    """Take over what is known of the places from `start` to `end`."""
    if start == end:
        return
    known = source.anchors
    first = known.index(start)
    found.add(start + ahead, source.position(start), known.stride[first])
    for index in range(first + 1, known.index(end - 1) + 1):
        found.add(known.here[index] + ahead, known.there[index], known.stride[index])
