"""Shapes of schedules in the API."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from stepiq.core.json import Json
from stepiq.store.states import CatchUp, Overlap, TickOutcome
from stepiq.web.bodies import FROM_TEXT, StrictModel, Timestamp, View

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Expression = Annotated[str, StringConstraints(strip_whitespace=True)]


class ScheduleRequest(StrictModel):
    """A new schedule."""

    name: Name
    cron_expression: Annotated[Expression, Field(examples=["0 9 * * 1-5"])]
    """Five fields: minute, hour, day of month, month, day of week."""
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    """IANA name of the zone whose clocks the expression means."""
    input_data: dict[str, Any] | None = None
    """Of every run. Must fit the pipeline's `input.schema`. Default: an empty object."""
    enabled: bool = True
    overlap: Annotated[Overlap, FROM_TEXT] = Overlap.ALLOW
    """With `skip`, a tick starts nothing while the schedule's last run has not ended."""
    catch_up: Annotated[CatchUp, FROM_TEXT] = CatchUp.NONE
    """With `last`, one run makes up for the ticks that no worker was there for."""


class SchedulePatch(StrictModel):
    """What to change; fields that are left out or null stay as they are."""

    name: Name | None = None
    cron_expression: Expression | None = None
    timezone: str | None = None
    input_data: dict[str, Any] | None = None
    enabled: bool | None = None
    overlap: Annotated[Overlap | None, FROM_TEXT] = None
    catch_up: Annotated[CatchUp | None, FROM_TEXT] = None


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
    """Whether it is the `schedule` of the pipeline's definition, which is changed by saving the pipeline."""
    next_run_at: Timestamp | None
    """Null while the schedule is disabled or its pipeline archived."""
    last_run_at: Timestamp | None
    """When its last run started."""
    created_at: Timestamp
    updated_at: Timestamp


class UpcomingView(View):
    """A run that is to start."""

    schedule_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    name: str
    """The schedule's."""
    run_at: Timestamp


class TickView(View):
    """What became of one tick of a schedule."""

    due_at: Timestamp
    outcome: TickOutcome
    reason: str | None
    """Why nothing started: `overlap`, `not_running`, `account_disabled`, or the code of the error that refused the run."""
    run_id: UUID | None
    recorded_at: Timestamp


class DeletedScheduleView(View):
    """The schedule is gone; its runs stay."""

    id: UUID
    deleted: Literal[True] = True
