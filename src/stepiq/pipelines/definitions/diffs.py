"""Differences between two versions: as a unified diff of the text, and by the fields of the definition.

The time of both is bounded by the size of the input. If finding the shortest diff of a text would take too long, its
changed part is shown as replaced.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.places import Path, write_path

_CONTEXT = 3
_MOST_WORK = 300_000
"""Maximum line comparisons for one diff, which take about a tenth of a second."""

Pair = tuple[int, int]
Edit = tuple[str, str]
"""A mark and a line: ` ` for unchanged, `-` for removed, `+` for added."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference between two definitions."""

    op: Literal["add", "remove", "replace", "move"]
    path: str
    """Path in the later definition; for `remove`, in the earlier one."""
    before: Json = None
    after: Json = None

    def sides(self) -> dict[str, Json]:
        """Its fields, without the side on which the field does not exist."""
        shown: dict[str, Json] = {"op": self.op, "path": self.path}
        if self.op != "add":
            shown["before"] = self.before
        if self.op != "remove":
            shown["after"] = self.after
        return shown


def unified(before: str, after: str, names: tuple[str, str]) -> str:
    """The difference of two texts in the format of `diff -u`; empty if they are equal.

    Args:
        before: the earlier text.
        after: the later text.
        names: names of both texts, for the header.
    """
    old, new = _lines(before), _lines(after)
    hunks = list(_hunks(list(_edits(old, new))))
    if not hunks:
        return ""
    head = f"--- {names[0]}\n+++ {names[1]}\n"
    return head + "".join(hunk.written() for hunk in hunks)


def changes(before: Json, after: Json) -> list[FieldChange]:
    """All differences between two definitions, in the order of the later one.

    Lists whose items all have a unique `id`, such as steps, are compared by `id`. Inserting an item does not change
    others.
    """
    return list(_changes((), before, after))


def _changes(path: Path, before: Json, after: Json) -> Iterator[FieldChange]:
    if is_object(before) and is_object(after):
        yield from _in_objects(path, before, after)
    elif is_array(before) and is_array(after):
        old_ids, new_ids = _ids(before), _ids(after)
        if old_ids is not None and new_ids is not None:
            yield from _by_id(path, dict(zip(old_ids, before, strict=True)), new_ids, after)
        else:
            yield from _by_place(path, before, after)
    elif type(before) is not type(after) or before != after:
        yield FieldChange("replace", write_path(path), before, after)


def _in_objects(
    path: Path, before: dict[str, Json], after: dict[str, Json]
) -> Iterator[FieldChange]:
    for key, value in before.items():
        if key not in after:
            yield FieldChange("remove", write_path((*path, key)), before=value)
    for key, value in after.items():
        if key in before:
            yield from _changes((*path, key), before[key], value)
        else:
            yield FieldChange("add", write_path((*path, key)), after=value)


def _by_id(
    path: Path, before: dict[str, Json], new_ids: list[str], after: list[Json]
) -> Iterator[FieldChange]:
    kept = set(new_ids)
    for index, (name, value) in enumerate(before.items()):
        if name not in kept:
            yield FieldChange("remove", write_path((*path, index)), before=value)
    old_order = [name for name in before if name in kept]
    new_order = [name for name in new_ids if name in before]
    if old_order != new_order:
        yield FieldChange("move", write_path(path), cast(Json, old_order), cast(Json, new_order))
    for index, (name, value) in enumerate(zip(new_ids, after, strict=True)):
        if name in before:
            yield from _changes((*path, index), before[name], value)
        else:
            yield FieldChange("add", write_path((*path, index)), after=value)


def _by_place(path: Path, before: list[Json], after: list[Json]) -> Iterator[FieldChange]:
    for index in range(max(len(before), len(after))):
        inside = (*path, index)
        if index >= len(after):
            yield FieldChange("remove", write_path(inside), before=before[index])
        elif index >= len(before):
            yield FieldChange("add", write_path(inside), after=after[index])
        else:
            yield from _changes(inside, before[index], after[index])


def _ids(items: list[Json]) -> list[str] | None:
    """The ids of a list's items; None unless each item has a unique one."""
    found = [item.get("id") if is_object(item) else None for item in items]
    ids = [name for name in found if isinstance(name, str)]
    return ids if len(set(ids)) == len(items) else None


def _lines(text: str) -> list[str]:
    """Lines with their line feeds. Other line break characters do not split lines."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _edits(old: Sequence[str], new: Sequence[str]) -> Iterator[Edit]:
    x = y = 0
    for match_x, match_y in (*_matches(old, new), (len(old), len(new))):
        yield from (("-", line) for line in old[x:match_x])
        yield from (("+", line) for line in new[y:match_y])
        if match_x < len(old):
            yield " ", old[match_x]
        x, y = match_x + 1, match_y + 1


def _matches(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Index pairs of unchanged lines, in order."""
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = _shortest(old[head : len(old) - tail], new[head : len(new) - tail])
    return [
        *((n, n) for n in range(head)),
        *((x + head, y + head) for x, y in middle),
        *((len(old) - n, len(new) - n) for n in range(tail, 0, -1)),
    ]


def _shortest(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Index pairs of the shortest edit script (Myers' algorithm); empty if that takes too much work."""
    furthest, ways, work = {1: 0}, list[dict[int, int]](), 0
    for edits in range(len(old) + len(new) + 1):
        ways.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            previous = _previous(furthest, diagonal, edits)
            start = x = furthest[previous] + (previous < diagonal)
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            work += x - start + 1
            if x >= len(old) and y >= len(new):
                return _walk_back(ways, len(old), len(new))
        if work > _MOST_WORK:
            break
    return []


def _walk_back(ways: list[dict[int, int]], x: int, y: int) -> list[Pair]:
    pairs: list[Pair] = []
    for edits in reversed(range(len(ways))):
        previous = _previous(ways[edits], x - y, edits)
        before_x = ways[edits][previous]
        before_y = before_x - previous
        while x > before_x and y > before_y:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = before_x, before_y
    return pairs[::-1]


def _previous(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """The diagonal from which this one is reached furthest: `diagonal + 1` by an added line, `- 1` by a removed one."""
    is_added = diagonal == -edits or (
        diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
    )
    return diagonal + 1 if is_added else diagonal - 1


@dataclass(slots=True)
class _Hunk:
    """Nearby changes with their context lines."""

    old_line: int
    new_line: int
    edits: list[Edit] = field(default_factory=list[Edit])

    def written(self) -> str:
        old = sum(mark != "+" for mark, _ in self.edits)
        new = sum(mark != "-" for mark, _ in self.edits)
        # For an empty side, the format requires the number of the line before it.
        places = f"-{self.old_line + (old > 0)},{old} +{self.new_line + (new > 0)},{new}"
        return f"@@ {places} @@\n" + "".join(_written(mark, line) for mark, line in self.edits)


def _hunks(edits: Sequence[Edit]) -> Iterator[_Hunk]:
    hunk: _Hunk | None = None
    quiet = old_line = new_line = 0
    for index, (mark, line) in enumerate(edits):
        if mark != " " and hunk is None:
            around = edits[max(0, index - min(quiet, _CONTEXT)) : index]
            hunk = _Hunk(old_line - len(around), new_line - len(around), list(around))
        if hunk is not None:
            hunk.edits.append((mark, line))
        quiet = quiet + 1 if mark == " " else 0
        old_line += mark != "+"
        new_line += mark != "-"
        if hunk is not None and quiet > 2 * _CONTEXT:
            del hunk.edits[_CONTEXT - quiet :]
            yield hunk
            hunk = None
    if hunk is not None:
        if quiet > _CONTEXT:
            del hunk.edits[_CONTEXT - quiet :]
        yield hunk


def _written(mark: str, line: str) -> str:
    return (
        f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"
    )
