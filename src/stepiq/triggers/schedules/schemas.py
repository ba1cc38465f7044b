"""Shapes of schedules in the API."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from stepiq.core.json import Json
from stepiq.runs.schemas import INPUT_NAMES
from stepiq.store.states import CatchUp, Overlap, TickOutcome
from stepiq.web.bodies import FROM_TEXT, Instant, JsonInteger, StrictModel, Timestamp, View

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Expression = Annotated[str, StringConstraints(strip_whitespace=True)]


_OTHER_NAMES = {**INPUT_NAMES, "cron": "cron_expression"}


class ScheduleRequest(StrictModel):
    """A new schedule."""

    other_names = _OTHER_NAMES

    name: Name
    cron_expression: Annotated[Expression, Field(examples=["0 9 * * 1-5"])]
    """Five fields: minute, hour, day of month, month, day of week. `cron` is another name."""
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    """IANA name of the time zone of the expression."""
    input_data: dict[str, Any] | None = None
    """Input of every run. Must match the pipeline's `input.schema`. Default: an empty object. `input` is another name."""
    enabled: bool = True
    overlap: Annotated[Overlap, FROM_TEXT] = Overlap.ALLOW
    """`skip`: a tick starts no run while the schedule's last run is active."""
    catch_up: Annotated[CatchUp, FROM_TEXT] = CatchUp.NONE
    """`last`: after downtime, one run is started for all missed ticks."""


class SchedulePatch(StrictModel):
    """The changes. Omitted fields and null leave a value unchanged."""

    other_names = _OTHER_NAMES

    name: Name | None = None
    cron_expression: Expression | None = None
    timezone: str | None = None
    input_data: dict[str, Any] | None = None
    enabled: bool | None = None
    overlap: Annotated[Overlap | None, FROM_TEXT] = None
    catch_up: Annotated[CatchUp | None, FROM_TEXT] = None


class PreviewRequest(StrictModel):
    """An expression to try."""

    other_names: ClassVar[Mapping[str, str]] = {"cron": "cron_expression"}

    cron_expression: Expression
    """Five fields: minute, hour, day of month, month, day of week. `cron` is another name."""
    timezone: str = "UTC"
    """IANA name of the time zone of the expression."""
    count: Annotated[JsonInteger, Field(ge=1, le=50)] = 5
    """Number of times to return."""
    after: Instant | None = None
    """Return times after this one. Default: now."""


class FiringView(View):
    """One time at which an expression fires."""

    run_at: Timestamp
    local: str
    """The same time in the time zone of the expression, with its offset from UTC."""
    note: str | None
    """What a change of the clocks does to this time, or null."""


class PreviewView(View):
    """When an expression fires."""

    description: str
    """The expression in words."""
    timezone: str
    next: list[FiringView]


class ScheduleView(View):
    """A schedule."""

    id: UUID
    pipeline_id: UUID
    name: str
    description: str
    """The expression in words, such as `At 09:00, Monday through Friday`."""
    cron_expression: str
    timezone: str
    input_data: Json
    enabled: bool
    overlap: Overlap
    catch_up: CatchUp
    from_definition: bool
    """Whether it comes from the `schedule` of the pipeline's definition. To change it, save the pipeline."""
    next_run_at: Timestamp | None
    """Null while the schedule is disabled or its pipeline is archived. While its pipeline is paused, this tick is skipped."""
    last_run_at: Timestamp | None
    """Start of its last run."""
    created_at: Timestamp
    updated_at: Timestamp


class ListedScheduleView(ScheduleView):
    """A schedule in the list of all schedules."""

    pipeline_name: str
    is_paused: bool
    """Whether its pipeline is paused."""


class UpcomingView(View):
    """A future run."""

    schedule_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    """Name of the schedule."""
    run_at: Timestamp


class HourlyRunsView(View):
    """How many runs a schedule starts in each hour."""

    schedule_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    runs: list[int]
    """The number of runs in each hour from `from`."""


class DensityView(View):
    """How many runs schedules start in each hour of a period."""

    schedules: list[HourlyRunsView]
    is_complete: bool
    """False if only the 200 schedules that fire next are counted."""


class TickView(View):
    """The result of one tick of a schedule."""

    due_at: Timestamp
    outcome: TickOutcome
    reason: str | None
    """Why no run started: `overlap`, `not_running`, `account_disabled`, `pipeline_paused`, or an error code."""
    run_id: UUID | None
    recorded_at: Timestamp


class DeletedScheduleView(View):
    """The schedule is deleted; its runs remain."""

    id: UUID
    deleted: Literal[True] = True
