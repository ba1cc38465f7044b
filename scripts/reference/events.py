"""docs/reference/events.md: the types of events in a run's log and stream, each with an example."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.execution.records import events
from stepiq.execution.records.events import Event, EventType
from stepiq.server.docs import events as schemas
from stepiq.store.states import RunStatus, StepStatus

_RUN = UUID("0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e")
_AT = datetime(2026, 2, 27, 10, 0, 4, 500_000, tzinfo=UTC)
_TIME = "2026-02-27T10:00:04.500Z"
_LLM: dict[str, Any] = {"name": "Classify", "type": "llm", "model": "openai/gpt-4o-mini"}
_USED: dict[str, Any] = {
    "input_tokens": 34,
    "cached_tokens": 0,
    "output_tokens": 12,
    "cost_usd_micros": 12,
}
_ERROR: dict[str, Json] = {"code": "step_timeout", "message": "Step `classify`: The attempt took longer than `timeout_seconds` (30)."}  # fmt: skip

_INTRODUCTION = """\
# Events

A run records what happens to it as events. There are two ways to read them:

- `GET /api/runs/ID/events` lists the recorded events.
- `GET /api/runs/ID/stream` sends the same events live, as server-sent events. [The API](../api.md#streams) explains how
  to follow a run without gaps.

`seq` numbers the events of a run from 1. It is the `id` in the stream. `step.delta` has no `seq` because it is not
recorded; the complete text is in the step's output. In the tables, fields in italics are not in every event. New
versions can add fields.
"""

_CLASSIFY = events.execution("classify", "", 1)


def examples() -> dict[EventType, list[tuple[str, Event, int | None]]]:
    """Examples of each type of event: when it is sent, the event, and its number."""
    return {
        EventType.RUN_STATUS: [
            ("when the run is accepted", events.run_status(RunStatus.PENDING), 1),
            ("when it starts", events.run_status(RunStatus.RUNNING, started_at=_TIME), 2),
            ("when it ends", events.run_status(RunStatus.COMPLETED, completed_at=_TIME), 6),
            (
                "when it waits for a time or a person, and no worker executes it",
                events.run_status(RunStatus.WAITING, until=_TIME),
                4,
            ),
            (
                "when it is cancelled",
                events.run_status(RunStatus.CANCELLED, completed_at=_TIME),
                6,
            ),
            (
                "when it fails",
                events.run_status(
                    RunStatus.FAILED,
                    completed_at=_TIME,
                    error={**_ERROR, "step_id": "classify"},
                ),
                6,
            ),
        ],
        EventType.STEP_STATUS: [
            (
                "when an attempt starts",
                events.step_status(StepStatus.RUNNING, _CLASSIFY, attempt=1, **_LLM),
                3,
            ),
            (
                "when a step that calls a model ends",
                events.step_status(
                    StepStatus.COMPLETED,
                    _CLASSIFY,
                    attempts=1,
                    duration_ms=840,
                    **_LLM,
                    **_USED,
                ),
                5,
            ),
            (
                "when a step that only computes ends; its start has no event",
                events.step_status(
                    StepStatus.COMPLETED,
                    events.execution("reply", "", 1),
                    name="Reply",
                    type="transform",
                    attempts=1,
                    duration_ms=0,
                ),
                5,
            ),
            (
                "when a step inside a `parallel` ends and jumps to another step; `2/0` is the first branch inside the third",
                events.step_status(
                    StepStatus.COMPLETED,
                    events.execution("reply", "2/0", 1),
                    name="Reply",
                    type="transform",
                    attempts=1,
                    duration_ms=0,
                    goto="classify",
                ),
                5,
            ),
            (
                "when it fails",
                events.step_status(
                    StepStatus.FAILED,
                    _CLASSIFY,
                    attempts=3,
                    duration_ms=30_000,
                    error=_ERROR,
                    **_LLM,
                    **_USED,
                ),
                5,
            ),
            (
                "when the run is cancelled while the step runs",
                events.step_status(StepStatus.CANCELLED, _CLASSIFY),
                5,
            ),
        ],
        EventType.STEP_DELTA: [
            (
                "at most every 50 ms while a model answers; a new `attempt` or `call` starts a new text",
                events.step_delta(_CLASSIFY, 1, "billing"),
                None,
            ),
            (
                "when the same attempt calls a fallback model, or sends a correction prompt",
                events.step_delta(_CLASSIFY, 1, "billing", call=2),
                None,
            ),
        ],
        EventType.STEP_LOG: [
            (
                "when the step logs a line; `level` is `info`, `warning` or `error`",
                events.step_log(
                    _CLASSIFY,
                    "warning",
                    "Attempt 1 failed. OpenAI (model `gpt-4o`) has reached its rate limit (status 429). The next attempt starts in 1.0 s.",
                ),
                4,
            )
        ],
        EventType.REVIEW_REQUESTED: [
            (
                "when a `human_review` step starts to wait",
                events.review_requested(
                    events.execution("approve", "", 1), "Please check the answer.", _AT
                ),
                4,
            )
        ],
    }


def page() -> str:
    """The whole page."""
    meanings, fields = schemas.meanings(), schemas.data_schemas()
    shown = examples()
    parts = [_INTRODUCTION]
    for kind in EventType:
        parts.append(f"## {kind}\n\n{meanings[kind]}\n\n{_table(fields[kind])}\n")
        for when, event, seq in shown[kind]:
            data = events.shown(_RUN, seq, event.data, _AT)
            parts.append(f"{when[0].upper()}{when[1:]}:\n\n```json\n{json.dumps(data)}\n```\n")
    return "\n".join(parts)


def _table(schema: dict[str, Any]) -> str:
    """The fields of an event's data. Fields that are not in every event are in italics."""
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        shown = f"`{name}`" if name in schema["required"] else f"*`{name}`*"
        rows.append(f"| {shown} | {_type(field)} | {field.get('description', '')} |")
    return "\n".join(rows)


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"])
    if "$ref" in field:
        return _type(schemas.components()[field["$ref"].rpartition("/")[2]])
    if "properties" in field:
        return f"object with {', '.join(f'`{name}`' for name in field['properties'])}"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    return str(field.get("format", field["type"]))
