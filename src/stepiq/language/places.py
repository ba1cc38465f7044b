"""Places of the parts of a document in its text, so that an error can name line and column."""

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and indexes from the document's root to a value."""


@dataclass(slots=True)
class Place:
    """The start of a value, and the places of the values inside it. Lines and columns are counted from 1."""

    line: int
    column: int
    key: tuple[int, int] | None = None
    """The start of its key, if it has one."""
    is_block: bool = False
    """Whether it is a YAML block text, whose lines start on the line after this place."""
    children: dict[str | int, "Place"] | None = None
    """By key or index. None for a value without children, to save memory."""

    def add(self, part: str | int, place: "Place") -> None:
        if self.children is None:
            self.children = {}
        self.children[part] = place


def write_path(path: Path) -> str:
    """A path as shown in errors, such as `steps[2].prompt`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def find(root: Place, path: Path) -> tuple[Place, bool]:
    """The place of a path, or of its nearest ancestor in the text; and whether it is exact."""
    place = root
    for part in path:
        inner = (place.children or {}).get(part)
        if inner is None:
            return place, False
        place = inner
    return place, True


def locate_inside(
    lines: list[str], place: Place, value: str, line: int, column: int
) -> tuple[int, int]:
    """Translate a position inside a text value into a position in the source.

    The result is exact if the source contains the value's line unchanged (plain, block and unescaped quoted texts).
    Otherwise it is the start of the value.
    """
    shown = value.split("\n")[line - 1]
    if place.is_block:
        source_line = place.line + line
        written = lines[source_line - 1] if source_line <= len(lines) else ""
        if written.endswith(shown):
            return source_line, len(written) - len(shown) + column
    elif line == 1 and "\n" not in value:
        written = lines[place.line - 1]
        start = place.column - 1 + (written[place.column - 1 : place.column] in ("'", '"'))
        if written.startswith(shown, start):
            return place.line, start + column
    return place.line, place.column
