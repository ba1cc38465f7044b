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
        for each in self._executed.values():
            each.sort(key=lambda change: change.at)

    def _read(self, node: str, line: Record) -> None:
        if "at" not in line:
            return
        at = moment(line["at"])
        match line.get("event"):
            case "server_ready" | "worker_ready" if line["worker"] is not None:
                self._names[node].append((at, line["worker"]))
            case "run_started" | "run_continued":
                self._executed[line["run_id"]].append(_Change(at, "executed", node))
            case "tickets_taken_over":
                workers = frozenset[str](line["workers"])
                self._returned.append(_Change(at, "returned", workers=workers))
            case _:
                pass

    def restarts(self, run_id: str, start: float, end: float) -> list[float]:
        """The times between `start` and `end` from which the seconds of a take-over count again.

        These are the times at which another worker got the run, its ticket was returned to the queue, or its worker
        resumed, if a worker that may have had it then was lost before `end` too.
        """
        found: list[float] = []
        since = start
        holder = self._holder(run_id, start)
        changes = [*self._executed[run_id], *self._resumed, *self._returned]
        for change in sorted(changes, key=lambda change: change.at):
            if not start < change.at < end:
                continue
            worker = self._name(change.node, change.at)
            match change.kind:
                case "executed":
                    holder = worker
                    nodes = [change.node]
                case "resumed" if holder is not None and holder == worker:
                    nodes = [change.node]
                case "returned" if self._may_be_returned(holder, change, since):
                    holder = None
                    nodes = list(self._lost)
                case _:
                    continue
            since = change.at
            if any(self._is_lost(node, since, end) for node in nodes):
                found.append(since)
        return found

    def _may_be_returned(self, holder: str | None, change: _Change, since: float) -> bool:
        """Whether the ticket of a run is among those that were returned."""
        if holder is None:
            return self._any_lost(change.workers, since, change.at)
        return holder in change.workers

    def _holder(self, run_id: str, at: float) -> str | None:
        """The worker that had executed the run last, if any had."""
        before = [each for each in self._executed[run_id] if each.at <= at]
        return self._name(before[-1].node, at) if before else None

    def _name(self, node: str, at: float) -> str | None:
        names = [name for ready_at, name in self._names[node] if ready_at <= at]
        return names[-1] if names else None

    def _is_lost(self, node: str, start: float, end: float) -> bool:
        return any(start < lost < end for lost in self._lost.get(node, ()))

    def _any_lost(self, workers: frozenset[str], start: float, end: float) -> bool:
        """Whether one of the workers was lost between these times. One that never was ready is in no log."""
        known: set[str] = set()
        for node, names in self._names.items():
            for (ready_at, name), (gone_at, _) in pairwise([*names, (inf, "")]):
                known.add(name)
                if name in workers and self._is_lost(node, max(start, ready_at), min(end, gone_at)):
                    return True
        return not workers <= known


def moment(iso: str) -> float:
    """Convert a time from the API or a log to seconds since 1970."""
    return datetime.fromisoformat(iso).timestamp()
