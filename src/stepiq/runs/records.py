"""Data classes of runs and steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from stepiq.core.json import Json
from stepiq.execution.records import events
from stepiq.execution.records.run import NewRun, StepRecord
from stepiq.store.states import CallerType, RunStatus, StepStatus, TriggerType, is_draft_version


@dataclass(frozen=True, slots=True)
class NamedCaller:
    """What started a run."""

    type: CallerType
    id: UUID | None
    """Id of the user, the API key or the schedule."""
    name: str | None
    """None if it has been deleted."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run. `steps` is filled only where a single run is read."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_version: int
    pipeline_name: str
    pipeline_tags: list[str]
    trigger_type: TriggerType
    caller: NamedCaller | None
    """None if an earlier version accepted the run."""
    status: RunStatus
    input_data: dict[str, Json]
    output: Json
    output_is_large: bool
    """If true, `output` is None in lists. Read the run itself to get it."""
    error: dict[str, Json] | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    credit_tokens: int
    cost_usd_micros: int
    cost_complete: bool
    failed_steps: int
    """Of a completed run: the failures that it passed over."""
    retry_of: UUID | None
    reused: dict[str, int] | None
    only_step: str | None
    """Id of the only step that it executes; None for all steps."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    steps: Iterable[StepRecord] = field(default=())
    """Can be iterated once."""

    @property
    def is_draft(self) -> bool:
        """Whether it executes a draft."""
        return is_draft_version(self.pipeline_version)


@dataclass(frozen=True, slots=True)
class StepOutline:
    """One execution of a step, without prompts and output."""

    step_id: str
    iteration: int
    branch: str
    status: StepStatus
    error: Json
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outline:
    """A run without inputs, prompts and outputs."""

    id: UUID
    pipeline_name: str
    pipeline_version: int
    status: RunStatus
    error: Json
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    steps: Sequence[StepOutline]
    more_steps: bool
    """Whether steps were omitted."""


@dataclass(frozen=True, slots=True)
class RunRetry:
    """Options for retrying a run."""

    start: str = "start"
    """A step id, `start` or `failed`."""
    latest_version: bool = False
    """Whether to use the pipeline's newest version instead of the run's own."""
    input_data: dict[str, Json] | None = None
    """None: the run's own input."""
    outputs: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Outputs that replace recorded ones, by step id."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can be accepted."""

    new: NewRun
    run: Run
    """The run as it is after its acceptance."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Status and last event number of a run."""

    status: RunStatus
    last_seq: int


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a run's log."""

    seq: int
    type: str
    data: dict[str, Json]
    created_at: datetime

    def shown(self, run_id: UUID) -> dict[str, Json]:
        """The data as listeners receive it."""
        return events.shown(run_id, self.seq, self.data, self.created_at)


@dataclass(frozen=True, slots=True)
class Filter:
    """Filters of a list of runs. None and empty mean all."""

    pipeline_id: UUID | None = None
    statuses: frozenset[RunStatus] = frozenset()
    trigger_type: TriggerType | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    q: str | None = None
    """The first eight or more hex digits of a run's id; otherwise a part of the pipeline's name."""
    version: int | None = None
    """A version of `pipeline_id`, which must be set."""
    tag: str | None = None
    """A tag of the pipeline."""
    error_code: str | None = None
    with_failures: bool = False
    """Only completed runs that passed over failures."""
    caller_id: UUID | None = None
