"""The events of a run. Recorded events have a number; streamed text (`step.delta`) has none.

The types of this module are the only definition of events: journal, streams, OpenAPI and documentation use them. They
check nothing when an event is created, because creating one is a part of each step and each piece of streamed text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import GetPydanticSchema, WithJsonSchema, with_config
from typing_extensions import TypedDict, Unpack

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.states import RunStatus, StepStatus


class EventType(StrEnum):
    """Types of events in a run's log and stream."""

    RUN_STATUS = "run.status"
    STEP_STATUS = "step.status"
    STEP_DELTA = "step.delta"
    STEP_LOG = "step.log"
    REVIEW_REQUESTED = "review.requested"


class StepError(TypedDict):
    """Why a step failed."""

    code: str
    message: str


class RunError(StepError):
    """Why a run failed."""

    step_id: str | None


# Serializing plain text is faster than serializing members of an enumeration.
_RunStatus = Annotated[str, GetPydanticSchema(lambda _, schema: schema(RunStatus))]
_StepStatus = Annotated[str, GetPydanticSchema(lambda _, schema: schema(StepStatus))]
_LogLevel = Annotated[
    str, GetPydanticSchema(lambda _, schema: schema(Literal["info", "warning", "error"]))
]
_Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
# The journal records errors as JSON.
_RunError = Annotated[dict[str, Json], GetPydanticSchema(lambda _, schema: schema(RunError))]
_StepError = Annotated[dict[str, Json], GetPydanticSchema(lambda _, schema: schema(StepError))]


@with_config(use_attribute_docstrings=True)
class RunStatusFacts(TypedDict, total=False):
    """What else is known about a run in a status."""

    started_at: _Instant
    """When the run first started; for `running`."""
    until: _Instant
    """When the wait ends; for `waiting`."""
    completed_at: _Instant
    """When the run ended; for a final status."""
    error: _RunError
    """For `failed`."""
    failed_steps: int
    """For `completed`, if steps or branches failed although the run went on: how many."""


class RunStatusData(RunStatusFacts):
    """The data of `RunStatusEvent`."""

    status: _RunStatus


@with_config(use_attribute_docstrings=True)
class ExecutionKey(TypedDict):
    """Identifies an execution of a step."""

    step_id: str
    branch: NotRequired[str]
    """Only inside a `parallel`: `2/0` is the first branch inside the third."""
    iteration: int
    """The number of the execution, from 1."""


@with_config(use_attribute_docstrings=True)
class StepStatusFacts(TypedDict, total=False):
    """What else is known about a step in a status."""

    attempt: int
    """The number of the attempt that starts, from 1."""
    name: str
    type: str
    attempts: int
    """The number of attempts of a step that has ended."""
    duration_ms: int
    """From the start to the end of a step that has ended, with its waits."""
    model: str | None
    input_tokens: int
    """Of all attempts. This and the other amounts are present if the step has ended and called a model."""
    cached_tokens: int
    """The part of `input_tokens` that the provider read from its cache."""
    output_tokens: int
    cost_usd_micros: int | None
    """In micro-dollars. Null if the price of the model is unknown."""
    error: _StepError
    """For `failed`."""
    goto: str
    """The step to which the ended step jumps."""


class StepStatusData(ExecutionKey, StepStatusFacts):
    """The data of `StepStatusEvent`."""

    status: _StepStatus


@with_config(use_attribute_docstrings=True)
class StepDeltaData(ExecutionKey):
    """The data of `StepDeltaEvent`."""

    attempt: int
    """From 1."""
    offset: int
    """How many characters of the call's text were sent before: more than you have received if text is missing."""
    call: NotRequired[int]
    """The number of the call within the attempt. It is absent for the first call."""
    text: str


class StepLogData(ExecutionKey):
    """The data of `StepLogEvent`."""

    level: _LogLevel
    message: str


@with_config(use_attribute_docstrings=True)
class ReviewRequestedData(ExecutionKey):
    """The data of `ReviewRequestedEvent`."""

    message: str
    """The question to the reviewers."""
    expires_at: _Instant
    """When the review expires."""


@dataclass(frozen=True, slots=True)
class RunStatusEvent:
    """The status of the run changed. The last event of a run has a final status."""

    data: RunStatusData
    type: Literal[EventType.RUN_STATUS] = EventType.RUN_STATUS


@dataclass(frozen=True, slots=True)
class StepStatusEvent:
    """The status of a step changed, or a new attempt started."""

    data: StepStatusData
    type: Literal[EventType.STEP_STATUS] = EventType.STEP_STATUS


@dataclass(frozen=True, slots=True)
class StepDeltaEvent:
    """Text of a model while it is generated. It is not recorded."""

    data: StepDeltaData
    type: Literal[EventType.STEP_DELTA] = EventType.STEP_DELTA


@dataclass(frozen=True, slots=True)
class StepLogEvent:
    """A log line of a step, such as why an attempt failed and when the next one starts."""

    data: StepLogData
    type: Literal[EventType.STEP_LOG] = EventType.STEP_LOG


@dataclass(frozen=True, slots=True)
class ReviewRequestedEvent:
    """The run waits for a person to approve or reject."""

    data: ReviewRequestedData
    type: Literal[EventType.REVIEW_REQUESTED] = EventType.REVIEW_REQUESTED


RecordedEvent = RunStatusEvent | StepStatusEvent | StepLogEvent | ReviewRequestedEvent
"""An event of a run's log."""

Event = RecordedEvent | StepDeltaEvent
"""An event of a run's stream. Its `data` does not include the fields of `Origin`, which `shown` adds."""


@with_config(use_attribute_docstrings=True)
class Origin(TypedDict):
    """The fields of each event that the journal or the stream adds to its data."""

    run_id: UUID
    seq: NotRequired[int]
    """The number of the event in its run, from 1."""
    created_at: _Instant


def run_status(status: RunStatus, **facts: Unpack[RunStatusFacts]) -> RunStatusEvent:
    """The run is now in `status`."""
    return RunStatusEvent({"status": str(status), **facts})


def execution(step_id: str, branch: str, iteration: int) -> ExecutionKey:
    """The fields that identify an execution of a step. `branch` is present only inside a `parallel`."""
    if branch:
        return {"step_id": step_id, "branch": branch, "iteration": iteration}
    return {"step_id": step_id, "iteration": iteration}


def step_status(
    status: StepStatus, which: ExecutionKey, **facts: Unpack[StepStatusFacts]
) -> StepStatusEvent:
    """An execution of a step is now in `status`."""
    return StepStatusEvent({**which, "status": str(status), **facts})


def step_delta(
    which: ExecutionKey, attempt: int, text: str, *, offset: int = 0, call: int = 1
) -> StepDeltaEvent:
    """A model has generated more text."""
    data: StepDeltaData = {**which, "attempt": attempt, "offset": offset, "text": text}
    if call > 1:
        data["call"] = call
    return StepDeltaEvent(data)


def step_log(which: ExecutionKey, level: str, message: str) -> StepLogEvent:
    """A line for the run's owner; `level` is info, warning or error."""
    return StepLogEvent({**which, "level": level, "message": message})


def review_requested(
    which: ExecutionKey, message: str, expires_at: datetime
) -> ReviewRequestedEvent:
    """The run waits for a person."""
    return ReviewRequestedEvent({**which, "message": message, "expires_at": clock.iso(expires_at)})


def shown(run_id: UUID, seq: int | None, data: Mapping[str, Any], at: datetime) -> dict[str, Json]:
    """The data of an event as listeners receive it."""
    if seq is None:
        return {"run_id": str(run_id), **data, "created_at": clock.iso(at)}
    return {"run_id": str(run_id), "seq": seq, **data, "created_at": clock.iso(at)}


def payload(run_id: UUID, event: Event, seq: int | None, at: datetime) -> dict[str, Any]:
    """An event for listeners: `{type, seq, data}`, where `data` is what the stream sends."""
    return {"type": str(event.type), "seq": seq, "data": shown(run_id, seq, event.data, at)}
