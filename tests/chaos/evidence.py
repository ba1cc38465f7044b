"""The data of a finished trial: the harness's ledger, the state that the API returns, and the logs of the processes."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.chaos.custody import Custody
from tests.chaos.ledger import Record
from tests.chaos.pipelines import Pipeline, pipelines
from tests.chaos.plan import FaultKind, Options
from tests.support.mail import kept

Span = tuple[float, float]
"""Start and end, in seconds since 1970."""

START_SECONDS = 3.0
"""Upper estimate of the start time of a process on two idle cores."""
_STORE_FAULTS = (
    FaultKind.KILL_STORE,
    FaultKind.KILL_BACKEND,
    FaultKind.REFUSE,
    FaultKind.HOLD,
    FaultKind.CUT_ALL,
)
_WORKER_FAULTS = (FaultKind.KILL_WORKER, FaultKind.TERMINATE, FaultKind.PAUSE)
_BLIP_SECONDS = 1.0
"""How long a momentary fault has an effect."""


_ZOMBIE_SECONDS = 5
"""How long after a pause a worker may still send calls that it had begun."""


@dataclass
class Evidence:
    """The input of the checks. It is plain data, so that a saved trial can be checked again."""

    options: Options
    ledger: list[Record]
    listed: list[dict[str, Any]] = field(default_factory=list)
    """Every run of the workspace, as in the API's lists."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deliveries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ticks: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, list[Record]] = field(default_factory=dict)
    """Log lines by node. A line that is not JSON is `{"text": …}`."""
    mails: list[dict[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[Record]:
        return [record for record in self.ledger if record["kind"] == kind]

    def first(self, kind: str) -> Record | None:
        return next(iter(self.of(kind)), None)

    @cached_property
    def pipelines(self) -> dict[str, Pipeline]:
        """Pipelines by name. Their delivery URLs are irrelevant here."""
        return pipelines("")

    @cached_property
    def pipeline_of(self) -> dict[str, Pipeline]:
        """Pipelines by run."""
        names = {post["tag"]: post["pipeline"] for post in self.of("post")}
        found: dict[str, Pipeline] = {}
        for run in self.listed:
            name = names.get(tag_of(run))
            if name is not None:
                found[run["id"]] = self.pipelines[name]
        return found

    @cached_property
    def faults(self) -> list[Record]:
        """All faults, each with the time of its repair as `until`."""
        until = {(m["fault_at"], m["node"]): m["at"] for m in self.of("mended")}
        return [
            {**fault, "until": until.get((fault["at"], fault["node"]), fault["at"])}
            for fault in self.of("fault")
        ]

    @cached_property
    def kills(self) -> list[Record]:
        return [fault for fault in self.faults if FaultKind(fault["fault"]).is_kill]

    @cached_property
    def calls(self) -> dict[str, list[Record]]:
        """The model's calls by `Idempotency-Key`, in order of arrival."""
        found: dict[str, list[Record]] = defaultdict(list)
        for call in sorted(self.of("call"), key=lambda call: call["at"]):
            found[call["key"] or ""].append(call)
        return found

    @cached_property
    def hooks(self) -> dict[str, list[Record]]:
        """The receiver's requests by delivery, in order of arrival."""
        found: dict[str, list[Record]] = defaultdict(list)
        for hook in sorted(self.of("hook"), key=lambda hook: hook["at"]):
            found[hook["delivery_id"]].append(hook)
        return found

    @cached_property
    def disturbed(self) -> list[Span]:
        """The times of all faults."""
        return merged((f["at"], max(f["until"], f["at"] + _BLIP_SECONDS)) for f in self.faults)

    @cached_property
    def store_away(self) -> list[Span]:
        """The times without a store, from each fault until the store accepted connections again."""
        return merged((f["at"], f["until"]) for f in self.faults if f["fault"] in _STORE_FAULTS)

    @cached_property
    def unable(self) -> list[Span]:
        """The times when no run could be executed: no store, or no process that was ready and not paused."""
        end = self.ledger[-1]["at"]
        carriers = {"serve", *(f"worker-{n + 1}" for n in range(self.options.workers))}
        able = [span for name in carriers for span in self._up(name, end)]
        return merged([*self.store_away, *_between(merged(able), self.ledger[0]["at"], end)])

    def _up(self, node: str, end: float) -> list[Span]:
        spans: list[Span] = []
        ready_at: float | None = None
        for record in self.ledger:
            if record.get("node") != node:
                continue
            kind = record["kind"]
            resumes = kind == "mended" and record.get("resumes")
            if kind == "ready" or resumes:
                ready_at = record["at"]
            elif kind in ("exited", "fault") and ready_at is not None:
                spans.append((ready_at, record["at"]))
                ready_at = None
        return spans if ready_at is None else [*spans, (ready_at, end)]

    @cached_property
    def custody(self) -> Custody:
        """Which worker had which run."""
        lost: dict[str, list[float]] = defaultdict(list)
        for fault in self.faults:
            if fault["fault"] in _WORKER_FAULTS:
                lost[fault["node"]].append(fault["at"])
        resumed = [(each["at"], each["node"]) for each in self.of("mended") if each.get("resumes")]
        return Custody(self.logs, lost, resumed)

    @cached_property
    def slowness(self) -> float:
        """The factor for time limits in this trial. See the function `slowness`."""
        return max(self.options.patience, slowness(starts(self.ledger)))

    def is_calm(self, start: float, end: float) -> bool:
        """Whether no fault overlaps this time."""
        return not overlap(self.disturbed, start, end)

    def woke_before(self, at: float) -> bool:
        """Whether a paused worker resumed shortly before, and may still have sent calls that it had begun."""
        pauses = (fault for fault in self.faults if fault["fault"] == FaultKind.PAUSE)
        return any(pause["until"] <= at <= pause["until"] + _ZOMBIE_SECONDS for pause in pauses)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def starts(ledger: list[Record]) -> list[float]:
    """Seconds that each completed start of a process took."""
    begun: dict[str, float] = {}
    took: list[float] = []
    for record in ledger:
        if record["kind"] == "started":
            begun[record["node"]] = record["at"]
        elif record["kind"] == "ready":
            took.append(record["at"] - begun[record["node"]])
    return took


def slowness(took: list[float]) -> float:
    """How many times slower the machine is than two idle cores, at least 1. Time limits are multiplied by it.

    It is the 90th percentile of the start times, because starts need CPU, like all other work here.
    """
    found = sorted(took)
    return max(1.0, found[int(len(found) * 0.9)] / START_SECONDS) if found else 1.0


def load(path: Path) -> Evidence:
    """Read a file written by `save`."""
    data = json.loads(path.read_text())
    return Evidence(**{**data, "options": Options(**data["options"])})


def tag_of(run: dict[str, Any]) -> str:
    """The tag that the client gave a run."""
    return str((run["input_data"] or {}).get("tag"))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that overlap or touch, and sort them."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def overlap(spans: list[Span], start: float, end: float) -> float:
    """How many seconds from `start` to `end` the spans cover. The spans must not overlap."""
    return sum(max(0.0, min(end, b) - max(start, a)) for a, b in spans if b > start and a < end)


def _between(spans: list[Span], start: float, end: float) -> list[Span]:
    edges = [start, *(edge for span in spans for edge in span), end]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def read_log(path: Path) -> list[Record]:
    """Read the log of a node."""
    lines: list[Record] = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        lines.append(found if isinstance(found, dict) else {"text": line})
    return lines


def read_mails(data: Path) -> list[dict[str, str]]:
    """Read the mail that was written to the data folder, because no mail server is configured."""
    return [{"id": str(mail["Message-ID"]), "subject": str(mail["Subject"])} for mail in kept(data)]
