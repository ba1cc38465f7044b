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
    REVIEW_REQUESTED = "review.requested"
    """A person is asked to approve or reject; the run waits."""


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
    """What says which execution of a step an event is about; `branch` only where there is one."""
    where: dict[str, Json] = {"branch": branch} if branch else {}
    return {"step_id": step_id, **where, "iteration": iteration}


def step_status(status: StepStatus, which: dict[str, Json], **facts: Json) -> Event:
    """An execution of a step is now in `status`."""
    return Event(EventType.STEP_STATUS, {**which, "status": str(status), **facts})


def step_log(which: dict[str, Json], level: str, message: str) -> Event:
    """A line for the run's owner; `level` is info, warning or error."""
    return Event(EventType.STEP_LOG, {**which, "level": level, "message": message})


def review_requested(which: dict[str, Json], message: str, expires_at: datetime) -> Event:
    """A person is asked."""
    facts: dict[str, Json] = {"message": message, "expires_at": clock.iso(expires_at)}
    return Event(EventType.REVIEW_REQUESTED, {**which, **facts})


def payload(run_id: UUID, event: Event, seq: int | None, at: datetime) -> dict[str, Any]:
    """An event as listeners get it: `{type, seq, data}`, where `data` is what the stream sends."""
    data = {"run_id": str(run_id), "seq": seq, **event.data, "created_at": clock.iso(at)}
    if seq is None:
        del data["seq"]
    return {"type": str(event.type), "seq": seq, "data": data}
