"""A small hand-written trial without violations, which tests modify."""

from datetime import UTC, datetime
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.ledger import Ledger
from tests.chaos.plan import FaultKind, Options

START = 1_800_000_000.0


def iso(after: float) -> str:
    return datetime.fromtimestamp(START + after, UTC).isoformat()


class Sample:
    """Four runs, two kills, a pause and a cut. `evidence()` returns them for the checks."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.listed: list[dict[str, Any]] = []
        self.details: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.deliveries: dict[str, list[dict[str, Any]]] = {}
        self.mails = [{"id": "<mail@stepiq>", "subject": "told"}]
        self.ticks = [
            {"due_at": iso(60), "outcome": "started", "run_id": "cron"},
            {"due_at": iso(120), "outcome": "missed", "run_id": None},
        ]
        self.logs: dict[str, list[dict[str, Any]]] = {
            "worker-1": [{"event": "run_started", "run_id": "told"}],
            "worker-2": [{"event": "run_ended", "run_id": "told"}],
        }
        for node in ("worker-1", "worker-2", "api-1"):
            self.note("started", 0, node=node)
            self.note("ready", 1, node=node)
        self._told()
        self._cancelled()
        self._refused()
        self._cron()
        self._faults()
        self.note("hostile_accepted", 20, run_id="hostile", workspace="hostile")
        self.note("calm", 80)
        did = {"run 202": 20, "run 429": 3, "stream": 20, "guess 401": 10, "cancel 200": 10}
        self.note("hostile_stopped", 80, workspace="hostile", did=did)
        self.note("hostile_ended", 85, run_id="hostile", status="cancelled")
        self.ledger.records.sort(key=lambda record: record["at"])

    def evidence(self) -> Evidence:
        return Evidence(
            Options("postgresql", seed=1, apis=1, workers=2, hostile=1),
            self.ledger.records,
            self.listed,
            self.details,
            self.events,
            self.deliveries,
            self.ticks,
            self.logs,
            self.mails,
        )

    def note(self, kind: str, after: float, **facts: Any) -> dict[str, Any]:
        return self.ledger.note(kind, at=START + after, **facts)

    def post(self, after: float, run_id: str | None, **facts: Any) -> dict[str, Any]:
        """Add a request to start a run, by default with the response 202 after 0.1 s."""
        post = {"trigger": "key", "key": facts.get("tag"), "clients": 1, "node": "api-1"}
        post |= {"sent_at": START + after - 0.1, "status": 202, "retry_after": None, "code": None}
        return self.note("post", after, run_id=run_id, **{**post, **facts})

    def run(self, run_id: str, tag: str, status: str, **more: Any) -> dict[str, Any]:
        shown = {
            "id": run_id,
            "status": status,
            "trigger_type": "api",
            "input_data": {"tag": tag},
            "output": None,
            "error": None,
            **more,
        }
        self.listed.append(shown)
        self.details[run_id] = {**shown, "steps": []}
        self.events[run_id] = []
        self.deliveries[run_id] = []
        self.tell(run_id, "run.status", more.get("at", 10), status="pending")
        self.tell(run_id, "run.status", more.get("at", 10), status="running")
        return self.details[run_id]

    def tell(self, run_id: str, event: str, after: float, **facts: Any) -> None:
        """Add an event to a run's log."""
        seq = len(self.events[run_id]) + 1
        data = {"run_id": run_id, "seq": seq, **facts, "created_at": iso(after)}
        self.events[run_id].append({"seq": seq, "type": event, "data": data})

    def ask(
        self, run_id: str, tag: str, step: str, after: float, status: str = "completed"
    ) -> None:
        """Add a step that calls the model once, for a second."""
        self.tell(run_id, "step.status", after, step_id=step, status="running", attempt=1)
        text = f"{step} of {tag}, call 1"
        self.details[run_id]["steps"].append(
            {"step_id": step, "status": status, "output": text if status == "completed" else None}
        )
        outcome = {"completed": "answered", "failed": "refused", "cancelled": "gone"}[status]
        self.note(
            "call",
            after + 0.01,
            key=f"{run_id}:{step}:1",
            tag=tag,
            step=step,
            number=1,
            text=text,
            outcome=outcome,
            ended_at=START + after + 1,
        )
        facts = {} if status == "cancelled" else {"attempts": 1}
        self.tell(run_id, "step.status", after + 1.01, step_id=step, status=status, **facts)

    def end(self, run_id: str, after: float) -> None:
        self.tell(run_id, "run.status", after, status=self.details[run_id]["status"])

    def deliver(self, run_id: str, delivery_id: str, *answers: int, after: float) -> None:
        """Add a webhook delivery with these responses to its attempts, and the promised pauses."""
        detail = self.details[run_id]
        pauses = (0, 1, 2, 4)
        for number, status in enumerate(answers, 1):
            after += pauses[number - 1]
            self.note(
                "hook",
                after,
                delivery_id=delivery_id,
                path=f"/{run_id}",
                tag=detail["input_data"]["tag"],
                is_genuine=True,
                status=status,
                answered_at=START + after + 0.1,
                envelope={
                    "event": f"pipeline.run.{detail['status']}",
                    "run": {"id": run_id, "status": detail["status"]},
                    "output": detail["output"],
                    "meta": {"attempt": number, "sent_at": iso(after)},
                },
            )
            after += 0.1
        self.deliveries[run_id].append(
            {
                "id": delivery_id,
                "target": {"type": "webhook"},
                "status": "delivered" if answers[-1] == 200 else "failed",
                "attempts": [{"number": n + 1} for n in range(len(answers))],
            }
        )

    def _told(self) -> None:
        for number in range(3):
            self.post(10 + number / 10, "told", tag="1-1", pipeline="ask_and_tell", clients=50)
        detail = self.run("told", "1-1", "completed")
        self.tell("told", "step.status", 10, step_id="head", status="completed", attempts=1)
        self.ask("told", "1-1", "one", 11)
        self.ask("told", "1-1", "two", 13)
        output = "<1-1> | one of 1-1, call 1 | two of 1-1, call 1"
        detail["output"] = self.listed[-1]["output"] = output
        self.end("told", 14.1)
        self.deliver("told", "hook", 503, 200, after=15)
        self.deliveries["told"].append(
            {
                "id": "mail",
                "target": {"type": "email"},
                "status": "delivered",
                "attempts": [{"number": 1}],
            }
        )
        heard = [[e["seq"], e["type"], e["data"].get("status")] for e in self.events["told"]]
        self.note("following", 10, run_id="told")
        self.note("followed", 15, run_id="told", events=heard, connections=3)

    def _cancelled(self) -> None:
        self.post(30, None, tag="1-2.1", pipeline="long", key=None, status=503, retry_after="1")
        self.post(31, "stopped", tag="1-2.2", pipeline="long", key=None)
        self.run("stopped", "1-2.2", "cancelled", at=31)
        self.ask("stopped", "1-2.2", "long", 31.5, "cancelled")
        self.end("stopped", 32.6)
        cancel = {"run_id": "stopped", "node": "api-1", "sent_at": START + 32.4}
        self.note("cancel", 32.6, **cancel, status=200, retry_after=None, shown="cancelled")

    def _refused(self) -> None:
        self.post(40, "refused", tag="1-3.1", pipeline="refused", key=None)
        detail = self.run("refused", "1-3.1", "failed", at=40)
        detail["error"] = {"code": "provider_error"}
        self.ask("refused", "1-3.1", "one", 41)
        self.ask("refused", "1-3.1", "refused", 43, "failed")
        self.end("refused", 44.1)
        self.deliver("refused", "hook-2", 500, 503, 500, 503, after=45)

    def _cron(self) -> None:
        self.run("cron", "cron", "completed", at=60, trigger_type="cron")
        self.end("cron", 60.1)

    def _faults(self) -> None:
        for after, until, kind, node in (
            (12.5, 12.9, FaultKind.KILL_WORKER, "worker-1"),
            (29.9, 30.5, FaultKind.KILL_STORE, "postgresql"),
            (70, 78, FaultKind.PAUSE, "worker-2"),
            (80, 80, FaultKind.CUT_COMMIT, "proxy"),
        ):
            at = START + after
            self.note("fault", after, fault=kind, node=node)
            if kind is FaultKind.KILL_WORKER:
                self.note("exited", after + 0.01, node=node, code=-9, was_ready=True)
                self.note("started", after + 0.02, node=node)
                self.note("ready", until - 0.01, node=node)
            resumes = kind is FaultKind.PAUSE
            self.note("mended", until, fault_at=at, node=node, resumes=resumes)
        self.note("settled", 90)
