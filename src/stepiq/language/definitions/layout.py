"""The order of a document's steps, read from the raw data before it is validated.

A step can read every step from which some path leads to it: the earlier ones of its own sequence, all of a loop's, and
whatever the `parallel` around it can read. Outside a `parallel`, its inner steps are visible only through branch ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.definitions.step import END, NEXT
from stepiq.language.places import Path

MAX_LEVELS = 8
"""Deeper nesting is reported separately and is not read."""


def is_sequence(entry: Json) -> TypeGuard[dict[str, Json]]:
    """Whether an entry of `steps` is a branch of several steps, written as `{id, steps: [...]}`."""
    return is_object(entry) and "steps" in entry and entry.get("type") is None


@dataclass(slots=True, eq=False)
class Node:
    """One step as written, and the steps inside it."""

    path: Path
    id: str
    """Empty if the step has no valid id."""
    data: Json
    sequence: "Sequence"
    position: int
    branch_ids: list[str] = field(default_factory=list[str])
    """Ids of its branches, which can be read like steps after it."""
    children: list["Sequence"] = field(default_factory=list["Sequence"])


@dataclass(slots=True, eq=False)
class Sequence:
    """Steps that run one after another."""

    around: Node | None
    """The `parallel` that contains them."""
    is_loop_body: bool = False
    """Whether they run for each item of a list."""
    nodes: list[Node] = field(default_factory=list[Node])
    _reached: list[frozenset[int]] = field(default_factory=list[frozenset[int]])

    def leads_to(self, position: int) -> frozenset[int]:
        """Positions from which some path leads to a position, which in a loop includes the position itself."""
        if not self._reached:
            self._reached = _leads_to(self)
        return self._reached[position]

    def find(self, step_id: str) -> Node | None:
        """The step with this id in this sequence."""
        return next((node for node in self.nodes if node.id == step_id), None)


@dataclass(frozen=True, slots=True)
class Layout:
    """All steps of a document and their positions."""

    top: Sequence
    by_path: dict[Path, Node]
    ids: dict[str, Node]
    """Every id of a step or branch. A branch id maps to its `parallel`."""

    @classmethod
    def of(cls, document: dict[str, Json]) -> "Layout":
        """Read the steps of a document, which may be invalid."""
        layout = cls(Sequence(None), {}, {})
        steps = document.get("steps")
        layout._read(layout.top, _entries(("steps",), steps), MAX_LEVELS)
        return layout

    def at(self, path: Path) -> Node | None:
        """The innermost step that contains a path; None outside all steps."""
        for length in range(len(path), 1, -1):
            if (node := self.by_path.get(path[:length])) is not None:
                return node
        return None

    def seen_by(self, node: Node | None, *, is_after: bool = False) -> set[str]:
        """Ids that a step may read; for None, those that can be read after the last step."""
        if node is None:
            return set(_ids(self.top.nodes))
        seen: set[str] = {node.id, *node.branch_ids} if is_after else set()
        while node is not None:
            nodes = node.sequence.nodes
            seen.update(_ids(nodes[at] for at in node.sequence.leads_to(node.position)))
            node = node.sequence.around
        return seen - {""}

    def around(self, node: Node) -> list[Node]:
        """The `parallel` steps that contain a step, innermost first."""
        found: list[Node] = []
        while node.sequence.around is not None:
            node = node.sequence.around
            found.append(node)
        return found

    def is_in_loop_body(self, node: Node | None) -> bool:
        """Whether a step runs for each item of a list."""
        if node is None:
            return False
        return any(each.sequence.is_loop_body for each in (node, *self.around(node)))

    def _read(self, sequence: Sequence, entries: Iterator[tuple[Path, Json]], levels: int) -> None:
        for path, entry in entries:
            step_id = entry.get("id") if is_object(entry) else None
            known = step_id if isinstance(step_id, str) else ""
            node = Node(path, known, entry, sequence, len(sequence.nodes))
            sequence.nodes.append(node)
            self.by_path[path] = node
            if known:
                self.ids.setdefault(known, node)
            if levels and is_object(entry) and entry.get("type") == "parallel":
                self._read_parallel(node, entry, levels - 1)

    def _read_parallel(self, node: Node, entry: dict[str, Json], levels: int) -> None:
        if entry.get("for_each") is not None:
            body = Sequence(node, is_loop_body=True)
            node.children.append(body)
            steps = _entries((*node.path, "steps"), entry.get("steps"))
            if is_object(entry.get("step")):
                steps = iter([((*node.path, "step"), entry["step"])])
            self._read(body, steps, levels)
            return
        for path, branch in _entries((*node.path, "steps"), entry.get("steps")):
            inner = Sequence(node)
            node.children.append(inner)
            if is_object(branch) and is_sequence(branch):
                if isinstance(branch_id := branch.get("id"), str):
                    self.ids.setdefault(branch_id, node)
                    node.branch_ids.append(branch_id)
                self._read(inner, _entries((*path, "steps"), branch.get("steps")), levels)
            else:
                self._read(inner, iter([(path, branch)]), levels)
                node.branch_ids.append(inner.nodes[0].id)


def _entries(path: Path, steps: Json) -> Iterator[tuple[Path, Json]]:
    for index, entry in enumerate(steps if is_array(steps) else ()):
        yield (*path, index), entry


def _ids(nodes: "Iterator[Node] | list[Node]") -> Iterator[str]:
    for node in nodes:
        yield node.id
        yield from node.branch_ids


def _leads_to(sequence: Sequence) -> list[frozenset[int]]:
    count = len(sequence.nodes)
    before: list[set[int]] = [set() for _ in range(count)]
    for node in sequence.nodes:
        for target in _targets(node):
            if target < count:
                before[target].add(node.position)
    found: list[frozenset[int]] = []
    for position in range(count):
        reached: set[int] = set()
        waiting = list(before[position])
        while waiting:
            at = waiting.pop()
            if at not in reached:
                reached.add(at)
                waiting.extend(before[at])
        found.append(frozenset(reached))
    return found


def _targets(node: Node) -> Iterator[int]:
    """Positions that a step may lead to, including the next one."""
    data: dict[str, Json] = node.data if is_object(node.data) else {}
    ways = list(_gotos(data))
    is_condition = data.get("type") == "condition"
    goes_on = not is_condition or data.get("else") in (None, NEXT) or "if" in data
    on_error = data.get("on_error")
    goes_on = goes_on or on_error == "continue"
    goes_on = goes_on or (is_object(on_error) and on_error.get("on_limit") == NEXT)
    if goes_on or NEXT in ways:
        yield node.position + 1
    for way in ways:
        if way not in (NEXT, END) and (target := node.sequence.find(way)) is not None:
            yield target.position


def _gotos(data: dict[str, Json]) -> Iterator[str]:
    cases = [data.get("on_error"), data.get("on_reject")]
    for name in ("cases", "on_condition"):
        listed = data.get(name)
        cases.extend(listed if is_array(listed) else ())
    written = [case.get("goto") for case in cases if is_object(case)]
    for way in (*written, data.get("else")):
        if isinstance(way, str):
            yield way
