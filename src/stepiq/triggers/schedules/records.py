"""Data classes of schedules and ticks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from stepiq.core.json import Json
from stepiq.language.schedules import cron, descriptions
from stepiq.store.states import CatchUp, Overlap, PipelineStatus, RunStatus, TickOutcome

MAX_PER_PIPELINE = 10_000
"""Maximum number of schedules per pipeline."""
MAX_COUNTED = 200
"""Maximum number of schedules whose times are counted for an answer."""


class TickReason(StrEnum):
    """Why a tick started no run. If the run was refused, the reason is the code of that error instead."""

    OVERLAP = "overlap"
    """The schedule's last run has not ended, and `overlap` is `skip`."""
    PIPELINE_ARCHIVED = "pipeline_archived"
    """The pipeline was archived at that time."""
    PIPELINE_PAUSED = "pipeline_paused"
    """The pipeline was paused at that time."""
    ACCOUNT_DISABLED = "account_disabled"
    """The workspace has no enabled member."""
    NOT_RUNNING = "not_running"
    """No worker ran at that time."""
    NOT_RUNNING_FOR_LONG = "not_running_for_long"
    """No worker ran at that time, nor at the ticks after it that are too many to record individually."""
    INTERNAL = "internal"
    """An internal error. The server's log has details."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of a pipeline."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    created_by: UUID
    name: str
    cron_expression: str
    timezone: str
    input_data: dict[str, Json]
    enabled: bool
    overlap: Overlap
    catch_up: CatchUp
    from_definition: bool
    next_run_at: datetime | None
    """None: it does not fire, because it is disabled or its pipeline is archived. Of a paused pipeline, the next tick to
    skip."""
    last_run_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def description(self) -> str:
        """The expression in words."""
        return descriptions.describe(self.cron_expression)

    def next_after(self, moment: datetime) -> datetime | None:
        """When it fires next after a moment; None if it is disabled."""
        if not self.enabled:
            return None
        return cron.next_after(self.cron_expression, self.timezone, moment)


@dataclass(frozen=True, slots=True)
class ListedSchedule(Schedule):
    """A schedule in the list of a workspace."""

    pipeline_name: str
    is_paused: bool
    """Whether its pipeline is paused."""


class Planned(NamedTuple):
    """A schedule that will fire, with what its future runs depend on."""

    id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    cron_expression: str
    timezone: str
    next_run_at: datetime

    def upcoming(self, run_at: datetime) -> "Upcoming":
        """One of its future ticks."""
        return Upcoming(self.id, self.pipeline_id, self.pipeline_name, self.name, run_at)


class Candidate(NamedTuple):
    """A due schedule that is not read yet."""

    id: UUID
    workspace_id: UUID
    size_bytes: int
    """Of its input."""


@dataclass(frozen=True, slots=True)
class Due:
    """A due schedule, locked by this transaction, with the data its run depends on."""

    schedule: Schedule
    due_at: datetime
    plan: str
    pipeline_status: PipelineStatus
    version: int
    is_disabled: bool
    """Whether its workspace has no enabled member."""
    last_run: RunStatus | None
    """Status of the newest run it started; None without one, or if `overlap` is not `skip`."""
    is_recorded: bool
    """Whether this tick already has an outcome, such as after the server's clock was set back."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The outcome of one tick."""

    schedule_id: UUID
    due_at: datetime
    outcome: TickOutcome
    reason: str | None
    run_id: UUID | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A future tick."""

    schedule_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    run_at: datetime


@dataclass(frozen=True, slots=True)
class HourlyRuns:
    """How often a schedule fires in each hour of a period."""

    schedule_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    runs: list[int]


@dataclass(frozen=True, slots=True)
class Density:
    """How often schedules fire in each hour of a period."""

    schedules: list[HourlyRuns]
    """Those that fire in the period."""
    is_complete: bool
    """Whether all schedules of the workspace are counted."""
