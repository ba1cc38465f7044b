"""What a run tells its listeners. Recorded events have a number; text as it comes (`step.delta`) has none."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.states import RunStatus, StepStatus


class EventType(StrEnum):
    """Kinds of events in a run's log and stream."""

    RUN_STATUS = "run.status"
    """The run changed state; the last event of a run is one of these with a final status."""
    STEP_STATUS = "step.status"
    """A step changed state, or began another attempt."""
    STEP_DELTA = "step.delta"
    """Text of a model as it comes; sent to listeners, never recorded."""
    STEP_LOG = "step.log"
    """A line about a step, such as why an attempt failed and when the next one begins."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a run."""

    type: EventType
    data: dict[str, Json]
    """Payload without `run_id`, `seq` and `created_at`, which the journal adds."""


def run_status(status: RunStatus, **facts: Json) -> Event:
    """The run is now in `status`."""
    return Event(EventType.RUN_STATUS, {"status": str(status), **facts})


def step_status(status: StepStatus, step_id: str, iteration: int, **facts: Json) -> Event:
    """The step is now in `status`."""
    return Event(
        EventType.STEP_STATUS,
        {"step_id": step_id, "iteration": iteration, "status": str(status), **facts},
    )


def step_log(step_id: str, iteration: int, level: str, message: str) -> Event:
    """A line for the run's owner; `level` is info, warning or error."""
    return Event(
        EventType.STEP_LOG,
        {"step_id": step_id, "iteration": iteration, "level": level, "message": message},
    )


def payload(run_id: UUID, event: Event, seq: int | None, at: datetime) -> dict[str, Any]:
    """An event as listeners get it: `{type, seq, data}`, where `data` is what the stream sends."""
    data = {"run_id": str(run_id), "seq": seq, **event.data, "created_at": clock.iso(at)}
    if seq is None:
        del data["seq"]
    return {"type": str(event.type), "seq": seq, "data": data}
