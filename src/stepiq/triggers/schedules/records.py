"""Schedules and ticks, as the other files of this domain pass them around."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from stepiq.core.json import Json
from stepiq.language import cron
from stepiq.store.states import CatchUp, Overlap, PipelineStatus, RunStatus, TickOutcome

MAX_PER_PIPELINE = 10_000
"""Schedules that one pipeline may have."""


class TickReason(StrEnum):
    """Why a tick started nothing; where acceptance refused the run, the code of that error stands instead."""

    OVERLAP = "overlap"
    """The schedule's last run has not ended, and `overlap` is `skip`."""
    PIPELINE_ARCHIVED = "pipeline_archived"
    """The pipeline was archived at that moment."""
    ACCOUNT_DISABLED = "account_disabled"
    """Whoever made the schedule may not log in any more."""
    NOT_RUNNING = "not_running"
    """No worker ran at that time."""
    NOT_RUNNING_FOR_LONG = "not_running_for_long"
    """No worker ran at that time, nor at more ticks behind it than are recorded one by one."""
    INTERNAL = "internal"
    """The server failed on it; its log says more."""


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
    """None: it does not fire, because it or its pipeline is switched off."""
    last_run_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def description(self) -> str:
        """The expression in words."""
        return cron.describe(self.cron_expression)

    def next_after(self, moment: datetime) -> datetime | None:
        """When it fires next, if it is enabled."""
        if not self.enabled:
            return None
        return cron.next_after(self.cron_expression, self.timezone, moment)


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule whose time has come, held by this transaction, with what its run depends on."""

    schedule: Schedule
    due_at: datetime
    plan: str
    pipeline_status: PipelineStatus
    version: int
    is_disabled: bool
    """Whether the account of whoever made it is disabled."""
    last_run: RunStatus | None
    """Status of the newest run that it started; None where it does not matter."""
    is_recorded: bool
    """Whether this very tick has an outcome already, as after the server's clock was set back."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What became of one tick."""

    schedule_id: UUID
    due_at: datetime
    outcome: TickOutcome
    reason: str | None
    run_id: UUID | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A tick that is yet to come."""

    schedule_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    run_at: datetime
