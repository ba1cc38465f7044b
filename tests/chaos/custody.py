"""Which worker had a run when, as far as the logs of the workers tell."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from math import inf

from tests.chaos.ledger import Record


class Custody:
    """The workers that had a run, one after the other.

    Args:
        logs: log lines by node.
        lost: when the worker of each node was killed, stopped or paused.
    """

    def __init__(
        self, logs: Mapping[str, Sequence[Record]], lost: Mapping[str, list[float]]
    ) -> None:
        self._lost = lost
        self._names: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """The workers of each node, and when each was ready."""
        self._executed: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """When a worker started or continued a run, and its node, by run."""
        self._taken: list[tuple[float, set[str]]] = []
        """When the tickets of lost workers were returned to their queues, and the names of these workers."""
        for node, lines in logs.items():
            for line in lines:
                self._read(node, line)

    def _read(self, node: str, line: Record) -> None:
        if "at" not in line:
            return
        at = moment(line["at"])
        match line.get("event"):
            case "server_ready" | "worker_ready" if line["worker"] is not None:
                self._names[node].append((at, line["worker"]))
            case "run_started" | "run_continued":
                self._executed[line["run_id"]].append((at, node))
            case "tickets_taken_over":
                self._taken.append((at, set(line["workers"])))
            case _:
                pass

    def restarts(self, run_id: str, start: float, end: float) -> list[float]:
        """The times between `start` and `end` from which the seconds of a take-over count again.

        These are the times at which another worker got the run, or its ticket was returned to the queue, if a worker
        that may have had it then was lost before `end` too.
        """
        found: list[float] = []
        since = start
        holder = self._holder(run_id, start)
        changes = [(at, node, set[str]()) for at, node in self._executed[run_id]]
        changes += [(at, None, workers) for at, workers in self._taken]
        for at, node, workers in sorted(changes, key=lambda change: change[0]):
            if not start < at < end:
                continue
            if node is not None:
                is_lost = self._is_lost(node, at, end)
                holder = self._name(node, at)
            elif holder in workers or (holder is None and self._any_lost(workers, since, at)):
                is_lost = any(self._is_lost(each, at, end) for each in self._lost)
                holder = None
            else:
                continue
            since = at
            if is_lost:
                found.append(at)
        return found

    def _holder(self, run_id: str, at: float) -> str | None:
        """The worker that had executed the run last, if any had."""
        before = [each for each in self._executed[run_id] if each[0] <= at]
        return self._name(max(before)[1], at) if before else None

    def _name(self, node: str, at: float) -> str | None:
        names = [name for ready_at, name in self._names[node] if ready_at <= at]
        return names[-1] if names else None

    def _is_lost(self, node: str, start: float, end: float) -> bool:
        return any(start < lost < end for lost in self._lost.get(node, ()))

    def _any_lost(self, workers: set[str], start: float, end: float) -> bool:
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
