"""Examples of schedules and their ticks."""

from typing import Any, Final

from stepiq.server.docs.examples.shared import CREATED, PIPELINE, RUN, SCHEDULE

SHAPES: Final[dict[str, Any]] = {
    "DeletedSchedule": {"id": SCHEDULE, "deleted": True},
    "SchedulePatch": {"cron_expression": "0 8 * * 1-5", "timezone": "Europe/Berlin"},
    "ScheduleRequest": {
        "name": "Every working day",
        "cron_expression": "0 9 * * 1-5",
        "timezone": "Europe/Berlin",
        "input_data": {"topic": "AI agents"},
        "overlap": "skip",
        "catch_up": "last",
    },
    "Schedule": {
        "id": SCHEDULE,
        "pipeline_id": PIPELINE,
        "name": "Every working day",
        "description": "At 09:00, Monday through Friday",
        "cron_expression": "0 9 * * 1-5",
        "timezone": "Europe/Berlin",
        "input_data": {"topic": "AI agents"},
        "enabled": True,
        "overlap": "skip",
        "catch_up": "last",
        "from_definition": False,
        "next_run_at": "2026-03-02T08:00:00.000Z",
        "last_run_at": "2026-02-27T08:00:00.000Z",
        "created_at": CREATED,
        "updated_at": CREATED,
    },
    "Tick": {
        "due_at": "2026-02-27T08:00:00.000Z",
        "outcome": "started",
        "reason": None,
        "run_id": RUN,
        "recorded_at": "2026-02-27T08:00:00.142Z",
    },
    "Upcoming": {
        "schedule_id": SCHEDULE,
        "pipeline_id": PIPELINE,
        "pipeline_name": "Brief on a topic",
        "name": "Every working day",
        "run_at": "2026-03-02T08:00:00.000Z",
    },
}

REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "POST /api/pipelines/{pipeline_id}/schedules": {
        "application/json": {
            "working_days": {
                "summary": "At 9:00 on working days, in Berlin",
                "value": SHAPES["ScheduleRequest"],
            },
            "quarter_hours": {
                "summary": "Every 15 minutes, in UTC",
                "value": {
                    "name": "Quarter hours",
                    "cron_expression": "*/15 * * * *",
                    "input_data": {"topic": "AI agents"},
                },
            },
        }
    },
}
