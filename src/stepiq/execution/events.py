"""The events of a run. Recorded events have a number; streamed text (`step.delta`) has none."""

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
    """The status of the run changed. The last event of a run has a final status."""
    STEP_STATUS = "step.status"
    """The status of a step changed, or a new attempt started."""
    STEP_DELTA = "step.delta"
    """Text of a model while it is generated. It is streamed, but not recorded."""
    STEP_LOG = "step.log"
    """A log line of a step, such as why an attempt failed and when the next one starts."""
    REVIEW_REQUESTED = "review.requested"
    """The run waits for a person to approve or reject."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a run."""

    type: EventType
    data: dict[str, Json]
    """Payload without `run_id`, `seq` and `created_at`, which the journal adds."""


def run_status(status: RunStatus, **facts: Json) -> Event:
    """The run is now in `status`."""
    return Event(EventType.RUN_STATUS, {"status": str(status), **facts})


def execution(step_id: str, branch: str, iteration: int) -> dict[str, Json]:
    """The fields that identify an execution of a step. `branch` is present only inside a `parallel`."""
    where: dict[str, Json] = {"branch": branch} if branch else {}
    return {"step_id": step_id, **where, "iteration": iteration}


def step_status(status: StepStatus, which: dict[str, Json], **facts: Json) -> Event:
    """An execution of a step is now in `status`."""
    return Event(EventType.STEP_STATUS, {**which, "status": str(status), **facts})


def step_log(which: dict[str, Json], level: str, message: str) -> Event:
    """A line for the run's owner; `level` is info, warning or error."""
    return Event(EventType.STEP_LOG, {**which, "level": level, "message": message})


def review_requested(which: dict[str, Json], message: str, expires_at: datetime) -> Event:
    """The run waits for a person."""
    facts: dict[str, Json] = {"message": message, "expires_at": clock.iso(expires_at)}
    return Event(EventType.REVIEW_REQUESTED, {**which, **facts})


def payload(run_id: UUID, event: Event, seq: int | None, at: datetime) -> dict[str, Any]:
    """An event for listeners: `{type, seq, data}`, where `data` is what the stream sends."""
    data = {"run_id": str(run_id), "seq": seq, **event.data, "created_at": clock.iso(at)}
    if seq is None:
        del data["seq"]
    return {"type": str(event.type), "seq": seq, "data": data}
