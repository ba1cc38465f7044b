"""Errors of schedules."""

from uuid import UUID

from stepiq.core.errors import Conflict, NotFound


class ScheduleNotFound(NotFound):
    """The schedule does not exist, or belongs to another workspace."""

    code = "schedule_not_found"

    def __init__(self, schedule_id: UUID) -> None:
        super().__init__(f"Schedule {schedule_id} does not exist.", schedule_id=schedule_id)


class ScheduleOfDefinition(Conflict):
    """The schedule is part of the pipeline's definition, and can only be changed there."""

    code = "schedule_of_definition"

    def __init__(self, schedule_id: UUID) -> None:
        super().__init__(
            f"Schedule {schedule_id} is part of its pipeline's definition. Change or remove `schedule` there, and save the "
            "pipeline.",
            schedule_id=schedule_id,
        )


class TooManySchedules(Conflict):
    """The pipeline has reached the maximum number of schedules."""

    code = "too_many_schedules"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The pipeline has {limit:,} schedules, which is the maximum. Delete some first.",
            limit=limit,
        )
