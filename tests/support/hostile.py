"""Text with control characters that manipulate a terminal."""

import unicodedata

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07"  # writes to the clipboard
    "\x1b]0;evil\x1b\\"  # changes the title
    "\x1b[2J\x1b[31m\x9b2J"  # clears the screen, changes the color
    + "".join(
        chr(code) for code in (*range(1, 0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"
    )
    + _DIRECTIONS
)

_MARK = "✓ pay  completed"
FORGED = "x" + "".join(f"{end}{_MARK}" for end in "\n\r\x0b\x0c\x1c\x85\u2028\u2029")
"""Text that would add a line like those of stepIQ."""


def forged_lines(text: str) -> list[str]:
    """The lines of an output that only `FORGED` can have added."""
    return [line for line in text.splitlines() if line.startswith(_MARK)]


def controls_in(text: str) -> set[str]:
    """The control characters in a text, except newlines and tabs."""
    return {
        character
        for character in text
        if (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t")
        or character in _DIRECTIONS
    }
