"""The text, the position in it, and the issues found so far."""

import re
from bisect import bisect_right
from itertools import accumulate
from typing import NoReturn

from stepiq.core.errors import Issue
from stepiq.language.places import Place, write_path

MAX_DEPTH = 32
"""Deepest nesting of lists and mappings in a definition."""
_MAX_ISSUES = 50
_MAX_SHOWN = 80

END = "\x00"
"""Marks the end of the text. `source` refuses texts that contain it."""
MARK = "\ufeff"
"""The byte order mark. After the start of the text, it is allowed only in quotes."""
BLANKS = re.compile(r"[ \t]*+")
LINE_END = re.compile(r"[ \t]*+(?:(?<=[ \t\n])#[^\n]*+)?\n")
_EMPTY_LINES = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?\n)*+")
_SPACES = re.compile(r" *+")
_MARKER = re.compile(r"(?:---|\.\.\.)(?=[ \t\n])")
TAB = "This line is indented with a tab. Indent it with spaces."
COMMENT = "A comment needs a space before its `#`."
COLLECTION_KEY = "A key must be a string, but this one is a list or an object. If a value starts with `{` or `[`, put it in quotes."
NO_KEY = "The key before this colon is missing."


class Stop(Exception):
    """The rest of the text cannot be read."""


class Scanner:
    """A position in a text. It only moves forward."""

    def __init__(self, text: str) -> None:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.is_cut = not text.endswith("\n")
        """Whether the text does not end with a line break."""
        self.text = f"{text}\n{END}" if self.is_cut else text + END
        self.at = 0
        self.indent = 0
        """Column of the next content, counted from 0; -1 at the end of the document."""
        self.columns: list[tuple[int, bool]] = []
        """Columns of the enclosing block lists and mappings, and whether each is a list; outermost first."""
        self.brackets: list[int] = []
        """Offsets of the open brackets, outermost first."""
        self.path: list[str | int | None] = []
        """Keys and indexes of the position; None while a key is read."""
        self.quoted_marks: set[int] = set()
        """Offsets of the byte order marks in quotes."""
        self.issues: list[Issue] = []
        self.is_readable = True
        """False after an issue that makes the data unusable."""
        self._starts = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]

    def position(self, at: int) -> tuple[int, int]:
        """Line and column of an offset, counted from 1."""
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1

    def place(self, at: int, key_at: int | None = None, *, is_block: bool = False) -> Place:
        """The place of a value that starts at an offset, and of its key."""
        return Place(
            *self.position(at), None if key_at is None else self.position(key_at), is_block
        )

    def refuse(self, code: str, message: str, at: int) -> None:
        """Add an issue and continue. The text can be parsed, but is not accepted."""
        parts = tuple(part for part in self.path if part is not None)
        self.issues.append(Issue(write_path(parts), code, message, *self.position(at)))
        if len(self.issues) == _MAX_ISSUES:
            raise Stop

    def spoil(self, code: str, message: str, at: int) -> None:
        """Add an issue and continue, although the data is not usable."""
        self.is_readable = False
        self.refuse(code, message, at)

    def fail(self, message: str, at: int | None = None, code: str = "syntax") -> NoReturn:
        """Add the last issue and stop, because the rest cannot be parsed."""
        self.spoil(code, message, self.at if at is None else at)
        raise Stop

    def enter(self, part: str | int | None, at: int) -> None:
        """Enter a list or mapping."""
        if len(self.path) == MAX_DEPTH:
            self.fail(
                f"The definition exceeds the maximum depth of {MAX_DEPTH} levels.", at, "too_deep"
            )
        self.path.append(part)

    def next_line(self) -> None:
        """Skip from the start of a line to the next content, past empty lines and comments."""
        text = self.text
        end = _EMPTY_LINES.match(text, self.at)
        start = end.end() if end else self.at
        self.at = start
        if text[start] == END or _MARKER.match(text, start):
            self.indent = -1
            return
        margin = _SPACES.match(text, start)
        self.at = margin.end() if margin else start
        self.indent = self.at - start
        if text[self.at] == "\t":
            self.fail(TAB)

    def end_line(self, problem: str) -> None:
        """Skip the rest of a line, which must be empty or a comment; otherwise fail with `problem`."""
        found = LINE_END.match(self.text, self.at)
        if found is None:
            blanks = BLANKS.match(self.text, self.at)
            at = blanks.end() if blanks else self.at
            self.fail(COMMENT if self.text[at] == "#" else problem, at)
        self.at = found.end()

    def is_marker(self, at: int) -> bool:
        """Whether `---` or `...` is at the start of a line."""
        return _MARKER.match(self.text, at) is not None

    def is_blank(self, at: int) -> bool:
        """Whether the character at an offset separates words."""
        return self.text[at] in " \t\n"

    @property
    def is_dash(self) -> bool:
        """Whether a list item starts here."""
        return self.text[self.at] == "-" and self.is_blank(self.at + 1)


def must_quote(s: Scanner, at: int, why: str) -> str:
    """The message about a value that must be quoted, from an offset to the end of its line."""
    written = rest_of_line(s, at)
    if len(written) > _MAX_SHOWN:
        return f"The value {why}. Put it in quotes."
    return f"The value {why}. Put it in quotes: `{in_quotes(written)}`."


def rest_of_line(s: Scanner, at: int) -> str:
    """The text of a line from an offset, without its comment."""
    return s.text[at : s.text.index("\n", at)].split(" #", 1)[0].strip()


def in_quotes(text: str) -> str:
    """A text in the quotes that need the fewest escapes."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def shown(character: str) -> str:
    """A character for a message."""
    return "a backtick" if character == "`" else f"`{character}`"


def spaces(count: int) -> str:
    """A number of spaces for a message."""
    return "1 space" if count == 1 else f"{count} spaces"


_PROPERTY = re.compile(r"(&[^ \t\n,\[\]{}]*+|!<[^>\n]*+>|![^ \t\n,\[\]{}]*+)[ \t]*+")
_ALIAS = re.compile(r"\*([^ \t\n,\[\]{}]*+)")
_MORE = re.compile(r"[ \t]++[^ \t\n#:,\]}]")


def properties(s: Scanner) -> bool:
    """Refuse the anchors and tags before a value; returns whether there are any."""
    start = s.at
    while found := _PROPERTY.match(s.text, s.at):
        name = f"`{found[1][:60]}`"
        if found[1][0] == "&":
            message = f"{name} is a YAML anchor, which is not supported. Remove it, or put a value that starts with `&` in quotes."
            s.refuse("yaml_anchor", message, s.at)
        else:
            tagged = f"{name} is a YAML tag, which is not supported. Remove it, or put a value that starts with `!` in quotes."
            s.refuse("yaml_tag", tagged, s.at)
        s.at = found.end()
    return s.at > start


def alias(s: Scanner) -> str:
    """Refuse an alias, and return it as a text so that parsing can continue."""
    found = _ALIAS.match(s.text, s.at)
    name = found[1][:60] if found else ""
    if found and _MORE.match(s.text, found.end()):
        s.fail(must_quote(s, s.at, "starts with `*`"), s.at, "yaml_alias")
    message = f"`*{name}` is a YAML alias, which is not supported. Write the value out, or put a value that starts with `*` in quotes."
    # The merge key is reported already, and covers its value.
    if s.path[-1:] == ["<<"]:
        s.is_readable = False
    else:
        s.spoil("yaml_alias", message, s.at)
    s.at = found.end() if found else s.at + 1
    return f"*{name}"


def alias_key(s: Scanner) -> str | None:
    """Refuse an alias used as a key, and skip its colon; None if the alias is not a key."""
    found = _ALIAS.match(s.text, s.at)
    blanks = BLANKS.match(s.text, found.end()) if found else None
    if blanks is None or s.text[blanks.end()] != ":" or not s.is_blank(blanks.end() + 1):
        return None
    name = alias(s)
    s.at = blanks.end() + 1
    return name
