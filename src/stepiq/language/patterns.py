"""User-written regular expressions, on an engine without backtracking (RE2).

The work of one match is at most the length of the text times the size of the compiled pattern, so both are limited,
and their product too. Finding all matches can read the rest of a text again for each match, so its time is limited
too. Other threads run while the engine searches.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import re2  # pyright: ignore[reportMissingTypeStubs]

from stepiq.core.errors import Invalid
from stepiq.core.json import Json

MAX_PATTERN_LENGTH = 1_000
MAX_REPLACEMENT_LENGTH = 10_000
MAX_OUTPUT_BYTES = 1024 * 1024
"""Most text that one call returns, in bytes of UTF-8."""
MAX_MATCHES = 100_000
MAX_SECONDS = 1.0
"""Most CPU time for finding all matches."""
MAX_WORK = 200_000_000
"""Most bytes of text times instructions of the pattern: a second in the worst case, mostly milliseconds."""
_MAX_PATTERN_MEMORY = 256 * 1024
_OUTPUT_PER_MATCH = 3

# The module has no types.
_ENGINE: Any = re2
_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
# Parts in which a dot is not the operator: quoted text, an escape, a class; then the operator itself. A class without
# its `]` is the rest of the text: with a dot replaced in it, it would be valid, and looking for `]` after each `[` would
# take quadratic time.
_DOT = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\(?:.|\Z)|\[:\^?\w+:\]|[^\]\\])*(?:\]|\Z)|(\.)", re.DOTALL
)
_REFERENCE = re.compile(r"\\(?:([1-9][0-9]?)|g<(\w+)>|(\\)|(.?))", re.DOTALL)
_SENTENCES = {
    "invalid perl operator": "Look-around and other Perl operators are not supported, because patterns run in linear time.",
    "invalid escape sequence": "This escape sequence does not exist. Back-references are not supported, because patterns run in linear time.",
    "pattern too large": "It is too large. Use fewer repetitions, or a shorter pattern.",
    "invalid repetition size": "It repeats too often. The limit is 1,000 times, and nested repetitions multiply.",
    "missing )": "`(` has no closing `)`.",
    "missing ]": "`[` has no closing `]`.",
    "unexpected )": "`)` has no opening `(`.",
    "no argument for repetition operator": "There is nothing to repeat before `*`, `+`, `?` or `{`.",
    "bad repetition operator": "A repetition cannot be repeated. Put it in `(…)` first.",
    "invalid character class range": "A range in `[…]` is reversed or unknown.",
    "invalid character class": "A range in `[…]` is reversed or unknown.",
    "trailing \\": "It ends with a single backslash. Write `\\\\` for a backslash.",
    "invalid named capture group": "Write a named group as `(?P<name>…)`.",
}  # fmt: skip
"""What to write instead, by the start of the engine's message.

The engine's Python module gives no code and no position. The tests of messages pin the texts for its locked version.
"""


class PatternSyntaxError(Invalid):
    """The text is not a valid pattern or replacement, or names a group that the pattern does not have."""

    code = "pattern_syntax"


class PatternLimit(Invalid):
    """Matching exceeds the limit of work or output size."""

    code = "output_too_large"


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled pattern and its size."""

    engine: Any = field(repr=False)
    size: int
    """Number of instructions; each byte of a text may take as many steps."""

    def search(self, text: str) -> Any:
        """The first match, or None."""
        return self.engine.search(text)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self.engine.fullmatch(text) is not None


def compile_regex(text: str, *, dot: str = ".") -> Regex:
    """Compile a pattern in RE2's syntax, with limited memory.

    Args:
        text: the pattern.
        dot: the meaning of `.`; by default any character but a line feed.

    Raises:
        PatternSyntaxError: the pattern is invalid or too large.
    """
    if len(text) > MAX_PATTERN_LENGTH:
        raise PatternSyntaxError(f"A pattern can have at most {MAX_PATTERN_LENGTH:,} characters.")
    if _BYTE.search(text):
        raise PatternSyntaxError(
            "`\\C`, a single byte, is not supported. Write `.` for a character."
        )
    options = _ENGINE.Options()
    options.max_mem = _MAX_PATTERN_MEMORY
    options.log_errors = False
    try:
        meant = text if dot == "." else _DOT.sub(lambda m: dot if m[1] else m[0], text)
        engine = _ENGINE.compile(meant, options)
    except UnicodeEncodeError:
        raise PatternSyntaxError(
            "The pattern contains half of a surrogate pair, which is not a character. Remove it."
        ) from None
    except _ENGINE.error as error:
        raise PatternSyntaxError(_explain(error)) from None
    return Regex(engine, engine.programsize)


def _explain(error: Exception) -> str:
    reason = bytes(error.args[0]).decode(errors="replace")
    for start, sentence in _SENTENCES.items():
        if reason.startswith(start):
            return f"This is not a valid pattern. {sentence}"
    return f"This is not a valid pattern: {reason[:100]}."


@dataclass(frozen=True, slots=True)
class Replacement:
    """A parsed replacement: pieces of text and numbers of groups."""

    pieces: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern, which can be used any number of times."""

    source: str
    """Its text, as written."""
    names: tuple[str, ...]
    """Names of its groups, in the order of their numbers."""
    groups: int
    """Number of groups."""
    regex: Regex = field(repr=False, compare=False)

    @classmethod
    def compile(cls, text: str) -> Self:
        """Compile a pattern.

        Raises:
            PatternSyntaxError: the pattern is invalid or too large.
        """
        regex = compile_regex(text)
        names = sorted(regex.engine.groupindex.items(), key=lambda item: item[1])
        return cls(text, tuple(name for name, _ in names), regex.engine.groups, regex)

    def has_group(self, group: int | str) -> bool:
        """Whether there is a group of that number or name; 0 is the whole match."""
        if isinstance(group, str):
            return group in self.names
        return 0 <= group <= self.groups

    def replacement(self, text: str) -> Replacement:
        r"""Parse a replacement: `\1` and `\g<name>` are groups, `\\` is a backslash.

        Raises:
            PatternSyntaxError: the text is too long or invalid, or names a group that the pattern does not have.
        """
        if len(text) > MAX_REPLACEMENT_LENGTH:
            raise PatternSyntaxError(
                f"A replacement can have at most {MAX_REPLACEMENT_LENGTH:,} characters."
            )
        pieces: list[str | int] = []
        start = 0
        for found in _REFERENCE.finditer(text):
            pieces.append(text[start : found.start()])
            pieces.append("\\" if found[3] else self._group_number(found))
            start = found.end()
        return Replacement((*pieces, text[start:]))

    def _group_number(self, found: re.Match[str]) -> int:
        written = found[1] or found[2]
        if written is None:
            raise PatternSyntaxError(
                f"`\\{found[4]}` is not valid in a replacement. Write `\\1` or `\\g<name>` for a group, "
                "`\\\\` for a backslash."
            )
        group = int(written) if written.isdecimal() and len(written) < 5 else written
        if not self.has_group(group):
            known = (
                f"It has {self.groups} group{'s' * (self.groups > 1)}."
                if self.groups
                else "It has no groups. Put `(…)` around a part of it."
            )
            raise PatternSyntaxError(f"The pattern has no group `{written[:60]}`. {known}")
        numbers: dict[str, int] = self.regex.engine.groupindex
        return group if isinstance(group, int) else numbers[group]

    def group(self, text: str, group: int | str = 0) -> str | None:
        """The text of a group in the first match; None without a match, or if the group did not take part in it.

        Raises:
            PatternLimit: too much work, or too long a text.
        """
        self._check_work(text)
        match = self.regex.search(text)
        found: str | None = None if match is None else match.group(group)
        _Room().take(found)
        return found

    def all(self, text: str) -> list[Json]:
        """All matches: the text of each, or the texts of its groups if the pattern has any.

        Raises:
            PatternLimit: too much work, too many matches or too long a text.
        """
        room = _Room()
        found: list[Json] = []
        for match in self._matches(text):
            values: tuple[str | None, ...] = match.groups() if self.groups else (match.group(),)
            for value in values:
                room.take(value)
            found.append(list(values) if self.groups else match.group())
        return found

    def replace(self, text: str, replacement: Replacement) -> str:
        """The text with every match replaced.

        Raises:
            PatternLimit: too much work, too many matches or too long a text.
        """
        room = _Room()
        pieces: list[str] = []
        end = 0
        for match in self._matches(text):
            pieces.append(text[end : match.start()])
            for piece in replacement.pieces:
                value = piece if isinstance(piece, str) else match.group(piece)
                room.take(value)
                pieces.append(value or "")
            end = match.end()
        pieces.append(text[end:])
        joined = "".join(pieces)
        _Room().take(joined)
        return joined

    def _check_work(self, text: str) -> None:
        size = len(text) if text.isascii() else len(text.encode(errors="replace"))
        if size * self.regex.size > MAX_WORK:
            raise PatternLimit(
                "The text is too long for this pattern. Use fewer repetitions, or a shorter text."
            )

    def _matches(self, text: str) -> Iterator[Any]:
        self._check_work(text)
        end = time.thread_time() + MAX_SECONDS
        for count, match in enumerate(self.regex.engine.finditer(text)):
            if count == MAX_MATCHES:
                raise PatternLimit(
                    f"There are more than {MAX_MATCHES:,} matches. Use a pattern that matches less often, or a shorter text."
                )
            if time.thread_time() > end:
                raise PatternLimit(
                    "Finding all matches takes too long. Use a simpler pattern or a shorter text."
                )
            yield match


class _Room:
    """The remaining size of an output."""

    def __init__(self) -> None:
        self._left = MAX_OUTPUT_BYTES

    def take(self, text: str | None) -> None:
        text = text or ""
        self._left -= _OUTPUT_PER_MATCH
        self._left -= len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self._left < -_OUTPUT_PER_MATCH:
            raise PatternLimit(
                f"The result is larger than {MAX_OUTPUT_BYTES:,} bytes. Use a shorter text."
            )
