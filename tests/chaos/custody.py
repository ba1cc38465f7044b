"""Which worker had a run when, as far as the logs of the workers tell."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import inf
from typing import Literal

from tests.chaos.ledger import Record


@dataclass(frozen=True)
class _Change:
    """A change of who has a run: it was started or continued, a suspended worker resumed, or tickets were returned."""

    at: float
    kind: Literal["executed", "resumed", "returned"]
    node: str = ""
    """Of the worker that executes the run, or resumed."""
    workers: frozenset[str] = frozenset()
    """The names of the lost workers whose tickets were returned."""


class Custody:
    """The workers that had a run, one after the other.

    Args:
        logs: log lines by node.
        lost: when the worker of each node was killed, stopped or paused.
        resumed: when each paused worker resumed, and its node.
    """

    def __init__(
        self,
        logs: Mapping[str, Sequence[Record]],
        lost: Mapping[str, list[float]],
        resumed: Sequence[tuple[float, str]],
    ) -> None:
        self._lost = lost
        self._resumed = [_Change(at, "resumed", node) for at, node in resumed]
        self._names: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """The workers of each node, and when each was ready."""
        self._executed: dict[str, list[_Change]] = defaultdict(list)
        """By run."""
        self._returned: list[_Change] = []
        for node, lines in logs.items():
            for line in lines:
                self._read(node, line)

    def _read(self, node: str, line: Record) -> None:
        if "at" not in line:
            return
        at = moment(line["at"])
        match line.get("event"):
            case "server_ready" | "worker_ready" if line.get("worker") is not None:
                self._names[node].append((at, line["worker"]))
            case "run_started" | "run_continued":
                self._executed[line["run_id"]].append(_Change(at, "executed", node))
            case "tickets_taken_over":
                workers = frozenset[str](line["workers"])
                self._returned.append(_Change(at, "returned", workers=workers))
            case _:
                pass

    def losses(self, run_id: str, start: float, end: float) -> list[float]:
        """When workers were lost that had got the run between `start` and `end`, and made no progress with it.

        A worker got it when it started or continued the run, or resumed and still had it. After its ticket was returned
        to the queue, any worker may have got it, but only once until a worker continues the run.
        """
        found: set[float] = set()
        holder: str | None = None
        is_returned = False
        changes = [*self._executed[run_id], *self._resumed, *self._returned]
        for change in sorted(changes, key=lambda change: change.at):
            if change.at >= end:
                break
            worker = self._name(change.node, change.at)
            match change.kind:
                case "executed":
                    holder, is_returned = worker, False
                    nodes = [change.node]
                case "resumed" if holder is not None and holder == worker:
                    nodes = [change.node]
                case "returned" if not is_returned and self._is_among(holder, change, start):
                    holder, is_returned = None, True
                    nodes = list(self._lost)
                case _:
                    continue
            if change.at > start:
                found.update(self._first_loss(nodes, change.at, end))
        return sorted(found)

    def _is_among(self, holder: str | None, change: _Change, start: float) -> bool:
        """Whether the ticket of a run is among those that were returned."""
        if holder is not None:
            return holder in change.workers
        # A worker may have got the run and been lost before it wrote anything.
        return any(
            name in change.workers
            and self._is_lost(node, max(start, ready_at), min(change.at, gone_at))
            for node, names in self._names.items()
            for (ready_at, name), (gone_at, _) in pairwise([*names, (inf, "")])
        )

    def _first_loss(self, nodes: Sequence[str], start: float, end: float) -> list[float]:
        lost = [at for node in nodes for at in self._lost.get(node, ()) if start < at < end]
        return [min(lost)] if lost else []

    def _name(self, node: str, at: float) -> str | None:
        names = [name for ready_at, name in self._names[node] if ready_at <= at]
        return names[-1] if names else None

    def _is_lost(self, node: str, start: float, end: float) -> bool:
        return any(start < lost < end for lost in self._lost.get(node, ()))


def moment(iso: str) -> float:
    """Convert a time from the API or a log to seconds since 1970."""
    return datetime.fromisoformat(iso).timestamp()
