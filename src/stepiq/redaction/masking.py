"""Takes secrets out of whatever is recorded, shown or sent on.

A secret is found as it is, in lower case, in base64 (also inside a longer encoded text, whatever comes before it, in
lines, and encoded once more), URL-escaped and JSON-escaped, wholly or in part, and in two of these on top of each other,
except for base64 of base64 in lines, and lower case with any other. Instead of listing every way to write a secret, the
text is read in every way (`decoding.readings`), and each reading is searched for the secrets themselves.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

from stepiq.core.concurrency import pauses
from stepiq.core.http import mask_host
from stepiq.core.json import Json, dumps
from stepiq.language import offload
from stepiq.language.data import is_array, is_object
from stepiq.redaction.decoding import DecodedText, in_base64, readings
from stepiq.redaction.needles import Needle, Needles, Occurrence

MIN_LENGTH = 8
"""Shorter secrets, in characters, are left alone: they occur in texts by chance."""

EXCERPT_CHARACTERS = 2_000
"""Longest part of an error text from outside that is masked and shown. The rest is not looked at."""

_BRACKETS = ("[]", "{}", "<>", "()", "«»")
_RARE = range(0x2500, 0xD800)
"""Characters for the place of brackets, where secrets have all of these."""
_FOR_URLS = str.maketrans("+/", "-_")
_NUMERIC = re.compile(r"[0-9.eE+-]+")

_AT_ONCE_CHARACTERS = 4 * 1024
"""Largest text that is masked on the event loop, with up to `_AT_ONCE_NEEDLES`; the more needles, the smaller.

Many short texts of this size take as long as one that is full of escapes, a few milliseconds.
"""
_AT_ONCE_NEEDLES = 1_024

Value = TypeVar("Value", str, Json, list[str])


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a secret stands in the text."""

    start: int
    end: int
    name: str


class Masker:
    """Knows the secrets that a run may have used, and replaces each by `[secret:NAME]`.

    The text that takes a secret's place has brackets that no secret has, so that masking twice changes nothing more. Time grows
    with the length of the text, and hardly with the number of secrets.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        known = {
            name: _without_margin(value)
            for name, value in secrets.items()
            if len(value) >= MIN_LENGTH
        }
        self.unmasked = tuple(sorted(set(secrets) - set(known)))
        """Names of the secrets that are too short to be found."""
        # The host of a URL is written in lower case.
        self._plain = Needles(
            Needle(name, text)
            for name, value in known.items()
            for text in dict.fromkeys((value, value.lower()))
        )
        self._encoded = Needles(
            Needle(name, core) for name, value in known.items() for core in _base64_cores(value)
        )
        self._reads_plus = any(" " in value for value in known.values())
        self._has_numbers = any(_NUMERIC.fullmatch(value) for value in known.values())
        self._labels = _labels(known, self._plain, self._encoded)

    def is_slow(self, size: int) -> bool:
        """Whether masking texts of this size, in all, would hold the event loop for more than a few milliseconds."""
        number = len(self._plain.all) + len(self._encoded.all)
        return number > 0 and size * max(1, number / _AT_ONCE_NEEDLES) > _AT_ONCE_CHARACTERS

    @cached_property
    def size(self) -> int:
        """How much it keeps in memory, about: characters of all texts that it searches for."""
        return sum(len(needle.text) for needle in (*self._plain.all, *self._encoded.all))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to find, so that every text stays as it is."""
        return not self._plain.all

    def label(self, name: str) -> str:
        """The text that takes the place of a secret."""
        return self._labels.get(name, f"[secret:{name}]")

    def text(self, text: str) -> str:
        """The text without the secrets."""
        if self.is_empty or len(text) < MIN_LENGTH:
            return text
        return self._write(text, 0, len(text), self._spans(readings(text, plus=self._reads_plus)))

    def excerpt(self, text: str, *, is_cut: bool = False) -> str:
        """The beginning of a text from outside, at most `EXCERPT_CHARACTERS`, without the secrets.

        Args:
            text: the text.
            is_cut: whether the text continues. If it does, what may be the beginning of a secret at its end is left out.
        """
        if len(text) > EXCERPT_CHARACTERS:
            text, is_cut = text[:EXCERPT_CHARACTERS], True
        return self.stream().feed(text) if is_cut else self.text(text)

    def value(self, value: Json) -> Json:
        """The value without the secrets in its texts, its names and its numbers."""
        if self.is_empty:
            return value
        if isinstance(value, str):
            return self.text(value)
        if is_array(value):
            return [self.value(item) for item in value]
        if is_object(value):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if self._has_numbers and isinstance(value, int | float) and not isinstance(value, bool):
            written = dumps(value)
            masked = self.text(written)
            return value if masked == written else masked
        return value

    def stream(self) -> "MaskedStream":
        """For a text that comes in pieces."""
        return MaskedStream(self)

    def cut(self, text: str, seen: int) -> tuple[str, int, int]:
        """What can be said of a text that goes on: see `MaskedStream`.

        Args:
            text: what has come and is still looked at.
            seen: how many of its first characters have been passed on or replaced already.

        Returns:
            The text to pass on now; the position from which the text must be read again; the position up to which the text
            has been passed on or replaced.
        """
        found = readings(text, plus=self._reads_plus, is_open=True)
        hold = min(self._undecided(reading) for reading in found)
        spans = self._spans(found)
        reached = max([hold, seen, *(span.end for span in spans if span.start < hold)])
        written = self._write(text, seen, reached, spans)
        return written, _boundary(found, hold), reached

    def end(self, text: str, seen: int) -> str:
        """The rest of a text that has ended; see `cut`."""
        spans = self._spans(readings(text, plus=self._reads_plus))
        return self._write(text, seen, len(text), spans)

    def _spans(self, found: Sequence[DecodedText]) -> list[_Span]:
        spans = _found(found, self._plain) | _found(map(in_base64, found), self._encoded)
        return sorted(spans, key=lambda span: (span.start, -span.end, span.name))

    def _undecided(self, reading: DecodedText) -> int:
        encoded = in_base64(reading)
        # An encoded text may go on in the next line.
        lines = encoded.text.rstrip(" \t\r\n")
        return min(
            reading.open_from,
            _begun(reading, reading.text, self._plain),
            _begun(encoded, lines, self._encoded),
        )

    def _write(self, text: str, start: int, end: int, spans: list[_Span]) -> str:
        """The part of a text from `start` to `end`; spans that began before `start` have their label already."""
        pieces: list[str] = []
        at = start
        covered = start
        for span in spans:
            if span.start >= end:
                break
            if span.end <= covered:
                continue
            if span.start >= covered:
                pieces += (text[at : span.start], self._labels[span.name])
            covered = at = span.end
        pieces.append(text[at:end])
        return "".join(pieces)


class MaskedStream:
    """Masks a text that comes in pieces: what may be the beginning of a secret waits for what follows."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._text = ""
        self._seen = 0

    def is_slow(self, text: str) -> bool:
        """Whether `feed` with this piece would hold the event loop; see `Masker.is_slow`."""
        return self._masker.is_slow(len(self._text) + len(text))

    def feed(self, text: str) -> str:
        """Take a piece; give what can be passed on by now."""
        if self._masker.is_empty:
            return text
        self._text += text
        written, start, reached = self._masker.cut(self._text, self._seen)
        self._text, self._seen = self._text[start:], reached - start
        return written

    def flush(self) -> str:
        """Give what was held back, for the text has ended."""
        rest, self._text = self._text, ""
        seen, self._seen = self._seen, 0
        return self._masker.end(rest, seen) if rest else ""


def _without_margin(value: str) -> str:
    # URLs and headers are sent without the white space around a value.
    inner = value.strip()
    return inner if len(inner) >= MIN_LENGTH else value


def _boundary(found: Sequence[DecodedText], at: int) -> int:
    """The last position up to `at` that is inside no escape of any reading.

    From there on, the text reads the same without what comes before it.
    """
    while (start := min(reading.boundary(at) for reading in found)) < at:
        at = start
    return at


def _found(found: Iterable[DecodedText], needles: Needles) -> set[_Span]:
    """The spans of all occurrences, except those inside the overlapping occurrences of a needle."""
    spans: set[_Span] = set()
    # Readings with the same text can differ in their positions.
    known: dict[str, list[Occurrence]] = {}
    for reading in found:
        if reading.text not in known:
            known[reading.text] = list(needles.occurrences(reading.text))
        spans.update(
            _Span(reading.position(start), reading.end(end), name)
            for start, end, name in known[reading.text]
        )
    return spans


def _begun(reading: DecodedText, text: str, needles: Needles) -> int:
    """Where the longest beginning of a secret at the end of a text starts, in the original; its length if there is none."""
    longest = needles.overlap(text)
    return reading.position(len(text) - longest) if longest else reading.length


def _base64_cores(value: str) -> set[str]:
    """What a base64 text that holds the value certainly contains, wherever in it the value stands.

    It may be encoded once more. The inner text then has the usual alphabet or the one for URLs, and no line breaks.
    """
    pauses.pause_if_due()
    once = {core for written in _ways_to_write(value) for core in _cores(written)}
    inner = once | {core.translate(_FOR_URLS) for core in once}
    return once.union(*map(_cores, inner))


def _cores(text: str) -> set[str]:
    data = text.encode("utf-8", "surrogatepass")
    cores: set[str] = set()
    for before, mixed in ((0, 0), (1, 2), (2, 3)):
        # Characters that also depend on what stands before or behind the text are left out.
        whole = (before + len(data)) * 8 // 6
        cores.add(base64.b64encode(bytes(before) + data).decode()[mixed:whole])
    return cores


def _ways_to_write(value: str) -> set[str]:
    ascii_json, json_text = (
        json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)
    )
    return {
        value,
        ascii_json,
        json_text,
        ascii_json.replace("/", "\\/"),
        json_text.replace("/", "\\/"),
        urllib.parse.quote(value, safe="", errors="surrogatepass"),
        urllib.parse.quote_plus(value, safe="", errors="surrogatepass"),
    }


def _labels(names: Iterable[str], *kinds: Needles) -> dict[str, str]:
    used: set[str] = set()
    for needle in chain.from_iterable(needles.all for needles in kinds):
        # One at a time: joining all of them would hold every thread for as long.
        used.update(needle.text)
    pairs = chain(_BRACKETS, (chr(code) * 2 for code in _RARE))
    # What cannot be part of a secret keeps the label and the text around it from becoming one.
    left, right = next(pair for pair in pairs if not used & set(pair))
    return {name: f"{left}{_inside(f'secret:{name}', kinds)}{right}" for name in names}


def _inside(full: str, kinds: Sequence[Needles]) -> str:
    read = full.replace("_", "/")
    # A secret may be called what it says; "secret" alone is too short to be one.
    hidden = any(
        next(needles.occurrences(text), None) for needles in kinds for text in (full, read)
    )
    return "secret" if hidden else full


async def masked(mask: Callable[[Value], Value], value: Value, *, apart: bool) -> Value:
    """Mask a value with a function of a masker, such as `text`; in a thread if it is slow (see `Masker.is_slow`).

    A text full of escapes takes seconds. Workspaces take turns.
    """
    return await offload.compute_long(mask, value) if apart else mask(value)


async def with_masked_host(message: str, url: str, masker: Masker) -> str:
    """`core.http.mask_host`; in a thread if masking the URL is slow."""
    return await masked(
        lambda text: mask_host(text, url, masker.text), message, apart=masker.is_slow(len(url))
    )
