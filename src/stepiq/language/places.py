"""Where the parts of a document stand in its text, so that an error can name line and column."""

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and indexes from the document's root to a value."""


@dataclass(slots=True)
class Place:
    """Where one value starts, and the places of what is inside. Lines and columns count from 1."""

    line: int
    column: int
    key: tuple[int, int] | None = None
    """Where the key of this value starts, if it has one."""
    is_block: bool = False
    """A YAML block text: its own lines start on the line after this place."""
    children: dict[str | int, "Place"] | None = None
    """By key or index; None for a value without an inside, of which a document has many."""

    def add(self, part: str | int, place: "Place") -> None:
        if self.children is None:
            self.children = {}
        self.children[part] = place


def write_path(path: Path) -> str:
    """A path as errors show it, `steps[2].prompt`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def find(root: Place, path: Path) -> tuple[Place, bool]:
    """The place of a path, or of the nearest part around it that the text has; and whether it is exact."""
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
    """The position in the source of a position inside a text value.

    Exact where the source shows the value's line as it is (plain, block and unescaped quoted texts); otherwise
    where the value starts.
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
