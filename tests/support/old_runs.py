"""Runs in a database of an earlier schema, and what the API shows of them.

Rows are written through the tables as they are in the database, and the answers are computed without the code that
reads them. Neither changes when `store.tables` or the API changes.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa

Row = dict[str, Any]

RUN_STATUSES = ("pending", "running", "waiting", "completed", "failed", "cancelled")
STEP_STATUSES = (*RUN_STATUSES, "skipped")
TRIGGERS = ("manual", "api", "cron", "webhook", "retry")
CALLS = {
    "llm": "model_call",
    "webhook": "http_call",
    "code": "code",
    "human_review": "ask_person",
}
TYPES = (*CALLS, "transform", "condition", "parallel", "wait")
ENDED = ("completed", "failed", "cancelled", "skipped")
BRANCHES = ("", "0", "2/1")

_STEPS = 3
_START = datetime(2026, 11, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON = frozenset({"input_data", "output", "error", "reused", "own_keys", "cost", "data", "value"})
_LARGE = "ä" * 70_000
_VALUES: tuple[Any, ...] = (
    None,
    "Grüße, 世界 🌍",
    {"b": 1, "a": [1, 2.5, None, True, {"deep": [[]]}], "": "empty name"},
    9_007_199_254_740_993,
    [],
    False,
)
_TEMPLATE_ERROR = {"code": "template_unresolved", "message": "Step `s0`: `prompt`: no value."}
_CALL_ERROR = {"code": "http_status", "message": "Step `s0`: the server returned 500."}
_JUMP_ERROR = {"code": "expression_error", "message": "Step `s0`: `on_condition[0].if`: no value."}


class OldRuns:
    """Rows of runs, of every status with steps of every type and status, and how the API shows them."""

    def __init__(self, number: int, workspace_id: UUID, pipeline_id: UUID) -> None:
        self._ids = count(1)
        self.runs: list[Row] = []
        self.run_steps: list[Row] = []
        self.run_events: list[Row] = []
        self.large_values: list[Row] = []
        self._called: set[UUID] = set()
        self._original: dict[UUID, Row] = {}
        """The copied row of each reused step."""
        owned = {"workspace_id": workspace_id, "pipeline_id": pipeline_id}
        for n in range(number):
            self._add(n, owned)
        self._steps_of: dict[UUID, list[Row]] = {run["id"]: [] for run in self.runs}
        for step in self.run_steps:
            self._steps_of[step["run_id"]].append(step)
        self._large = {row["owner_id"]: row["value"] for row in self.large_values}

    def _add(self, n: int, owned: Row) -> None:
        at = _START + timedelta(seconds=n, milliseconds=n % 1000)
        status = RUN_STATUSES[n % len(RUN_STATUSES)]
        # Some retry a retry.
        earlier = self.runs[-1]["id"] if n % 7 in (1, 2) else None
        trigger = "retry" if earlier else TRIGGERS[n // len(RUN_STATUSES) % len(TRIGGERS)]
        is_large = status == "completed" and n % 90 == 3
        run = {
            **owned,
            "id": self._new_id(at),
            "pipeline_version": 1,
            "trigger_type": trigger,
            "status": status,
            "input_data": {"n": n, "value": _VALUES[n % len(_VALUES)]},
            "output": _VALUES[n // 6 % 6] if status == "completed" and not is_large else None,
            "output_is_large": is_large,
            "error": {**_CALL_ERROR, "step_id": "s0"} if status == "failed" else None,
            "input_tokens": n,
            "cached_tokens": n // 2,
            "output_tokens": 2 * n,
            "credit_tokens": n if n % 2 else 0,
            "cost_usd_micros": 3 * n,
            "cost_complete": n % 4 != 0,
            "retry_of": earlier,
            "reused": {
                "steps": 1,
                "input_tokens": 1,
                "output_tokens": 2,
                "total_tokens": 3,
                "cost_usd_micros": 4,
            }
            if earlier
            else None,
            "schedule_id": self._new_id(at) if trigger == "cron" else None,
            "own_keys": ["OPENAI_API_KEY"] if n % 3 == 0 else None,
            "claim": n % 5,
            "ticket": -1 if status == "waiting" else 0 if status == "pending" else 1,
            "crashes": n % 3,
            "crashes_in_total": n % 3,
            "is_claimed": status == "running",
            "wake_at": at + timedelta(days=1) if status == "waiting" else None,
            "last_seq": 2,
            "deadline_at": at + timedelta(hours=1),
            "created_at": at,
            "started_at": None if status == "pending" else at + timedelta(milliseconds=20),
            "completed_at": at + timedelta(seconds=9) if status in ENDED else None,
        }
        previous = self.run_steps[-_STEPS] if earlier else None
        self.runs.append(run)
        self._keep_large(run, run["id"])
        for k in range(_STEPS):
            step = self._step(run, n, k, previous if k == 0 else None)
            self.run_steps.append(step)
            self._keep_large(step, run["id"])
        for seq in (1, 2):
            data = {"status": status, "value": _VALUES[(n + seq) % len(_VALUES)]}
            self.run_events.append(
                {
                    "run_id": run["id"],
                    "seq": seq,
                    "type": "run.status",
                    "data": data,
                    "created_at": at,
                }
            )

    def _step(self, run: Row, n: int, k: int, copied: Row | None) -> Row:
        if copied is not None:
            reused = {
                **copied,
                "id": self._new_id(run["created_at"]),
                "run_id": run["id"],
                "is_reused": True,
                "input_tokens": 0,
                "cached_tokens": 0,
                "output_tokens": 0,
                "tokens_estimated": False,
                "cost": None,
            }
            self._original[reused["id"]] = self._original.get(copied["id"], copied)
            return reused
        m = n * _STEPS + k
        kind, status = TYPES[m % len(TYPES)], STEP_STATUSES[m // len(TYPES) % len(STEP_STATUSES)]
        began = status not in ("pending", "skipped")
        error = (_TEMPLATE_ERROR, _CALL_ERROR, _JUMP_ERROR)[n % 3] if status == "failed" else None
        calls = kind in CALLS and began and error is not _TEMPLATE_ERROR
        uses_model = calls and kind == "llm"
        tokens = m % 4 if uses_model else 0
        has_output = status == "completed" or (calls and error is _JUMP_ERROR)
        is_large = has_output and m % 500 < 3
        output = _VALUES[1 + m % 5] if has_output and not is_large else None
        at = run["created_at"] + timedelta(seconds=k)
        step = {
            "id": self._new_id(at),
            "run_id": run["id"],
            "step_id": f"s{k}",
            "branch": BRANCHES[m // 3 % len(BRANCHES)],
            "iteration": 1 + m % 2,
            "ordinal": k + 1,
            "name": f"Step {k}",
            "type": kind,
            "status": status,
            "attempts": 1 + m % 3 if began else 0,
            "failures": m % 3 if began else 0,
            "model": "openai/gpt-4o" if uses_model else None,
            "prompt": f"Prompt {m} “é”" if uses_model else None,
            "system_prompt": "Be brief." if uses_model and m % 3 else None,
            "output": output,
            "output_is_large": is_large,
            "error": error,
            "jump": "on_condition[0]" if m % 11 == 0 else None,
            "is_reused": False,
            "input_tokens": tokens,
            "cached_tokens": tokens // 2,
            "output_tokens": tokens,
            "reserved_tokens": 10 if status == "running" and uses_model else 0,
            "paid_by": ("account_key", "server_key", "local")[m % 3] if uses_model else None,
            "tokens_estimated": uses_model and m % 5 == 0,
            "cost": {"input": 5 * m, "cached": m, "output": 20} if tokens > 1 else None,
            "started_at": at if began else None,
            "completed_at": at + timedelta(milliseconds=m % 3000) if status in ENDED else None,
        }
        if calls:
            self._called.add(step["id"])
        return step

    def _keep_large(self, owner: Row, run_id: UUID) -> None:
        if owner["output_is_large"]:
            row = {"owner_id": owner["id"], "run_id": run_id, "value": _LARGE}
            self.large_values.append(row)

    def _new_id(self, at: datetime) -> UUID:
        milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | next(self._ids))

    def listed_runs(self) -> Iterator[Row]:
        """The runs as lists show them, newest first."""
        for run in reversed(self.runs):
            yield self._shown_run(run, run["output"])

    def shown_run(self, run: Row) -> Row:
        """A run as it is shown by itself."""
        shown = self._shown_run(run, self._output(run))
        return shown | {"steps": [self._shown_step(step) for step in self._steps_of[run["id"]]]}

    def shown_steps(self, run: Row) -> Iterator[tuple[Row, Row]]:
        """The steps of a run: each with its answer, in which the operation has its payloads."""
        for step in self._steps_of[run["id"]]:
            original = self._original.get(step["id"], step)
            yield (
                step,
                self._shown_step(step)
                | {
                    "executed_in": str(original["run_id"]),
                    "operations": self._operations(original),
                    "next_cursor": None,
                },
            )

    def shown_events(self, run: Row) -> list[Row]:
        """The events of a run."""
        run_id, created_at = str(run["id"]), _iso(run["created_at"])
        return [
            {
                "seq": event["seq"],
                "type": event["type"],
                "data": {
                    "run_id": run_id,
                    "seq": event["seq"],
                    **event["data"],
                    "created_at": created_at,
                },
            }
            for event in self.run_events
            if event["run_id"] == run["id"]
        ]

    def _output(self, row: Row) -> Any:
        return _LARGE if row["output_is_large"] else row["output"]

    def _shown_run(self, run: Row, output: Any) -> Row:
        same = (
            "pipeline_version trigger_type status input_data output_is_large error input_tokens cached_tokens "
            "output_tokens cost_usd_micros cost_complete reused"
        )
        return {name: run[name] for name in same.split()} | {
            "id": str(run["id"]),
            "pipeline_id": str(run["pipeline_id"]),
            "pipeline_name": "Greeting",
            "pipeline_tags": [],
            "caller": run["schedule_id"]
            and {"type": "schedule", "id": str(run["schedule_id"]), "name": None},
            "is_draft": False,
            "only_step": None,
            "failed_steps": 0,
            "output": output,
            "total_tokens": run["input_tokens"] + run["output_tokens"],
            "credits_used": run["credit_tokens"] / 1000,
            "retry_of": run["retry_of"] and str(run["retry_of"]),
            **{name: _iso(run[name]) for name in ("created_at", "started_at", "completed_at")},
        }

    def _shown_step(self, step: Row) -> Row:
        same = (
            "step_id name type iteration branch status attempts model paid_by prompt system_prompt error input_tokens "
            "cached_tokens output_tokens tokens_estimated is_reused"
        )
        return {name: step[name] for name in same.split()} | {
            "id": str(step["id"]),
            "output": self._output(step),
            **_costs(step),
            **_times(step),
        }

    def _operations(self, step: Row) -> list[Row]:
        if step["id"] not in self._called:
            return []
        run_id, output = str(step["run_id"]), self._output(step)
        same = "model paid_by input_tokens cached_tokens output_tokens tokens_estimated"
        running, done = step["status"] in ("running", "waiting"), step["error"] == _JUMP_ERROR
        key = [run_id, step["step_id"], step["branch"], str(step["iteration"])]
        request = None
        if step["type"] == "llm":
            texts = (("system", step["system_prompt"]), ("user", step["prompt"]))
            request = {"messages": [{"role": role, "text": text} for role, text in texts if text]}
        return [
            {name: step[name] for name in same.split()}
            | {
                "id": str(step["id"]),
                "run_id": run_id,
                "attempt": 1,
                "number": 1,
                "kind": CALLS[step["type"]],
                "status": "running" if running else "completed" if done else step["status"],
                "starts": step["attempts"],
                "idempotency_key": ":".join(part for part in key if part),
                "error": None if done else step["error"],
                "queued_at": _iso(step["started_at"]),
                "first_piece_at": None,
                "request_is_omitted": False,
                "response_is_omitted": False,
                "is_summary": True,
                "request": request,
                "response": output,
                **_costs(step),
                **_times(step),
            }
        ]


def write(engine: sa.Engine, *groups: tuple[sa.Table, list[Row]]) -> None:
    """Insert rows through tables that were reflected from the database."""
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        for table, rows in groups:
            connection.execute(
                table.insert(),
                [{name: _raw(name, row[name], is_sqlite) for name in row} for row in rows],
            )


def reflected(engine: sa.Engine) -> dict[str, sa.Table]:
    """The tables of the database as they are now."""
    metadata = sa.MetaData()
    metadata.reflect(engine)
    return dict(metadata.tables)


def _raw(name: str, value: Any, is_sqlite: bool) -> Any:
    if name in _JSON and value is not None:
        return json.dumps(value, ensure_ascii=False)
    if is_sqlite and isinstance(value, UUID):
        return value.hex
    if is_sqlite and isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return value


def _iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _costs(step: Row) -> Row:
    tokens, cost = step["input_tokens"] + step["output_tokens"], step["cost"]
    total = sum(cost.values()) if cost else None if tokens else 0
    return {"cost_usd_micros": total, "cost_usd_micros_by_part": cost}


def _times(step: Row) -> Row:
    started, completed = step["started_at"], step["completed_at"]
    lasted = (completed - started) // timedelta(milliseconds=1) if started and completed else None
    return {
        "started_at": _iso(started),
        "completed_at": _iso(completed),
        "duration_ms": lasted,
    }
