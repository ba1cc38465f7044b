"""Examples of runs, inbound webhooks, deliveries, reviews, and schedules with their ticks."""

from typing import Any, Final

from stepiq.server.docs.examples.accounts import (
    ACCEPTED,
    CREATED,
    DELIVERY,
    ENDED,
    INPUT,
    OPERATION,
    PIPELINE,
    RUN,
    SCHEDULE,
    SENT,
    STARTED,
    STEP,
)

_ANSWER: Final = (
    "Agents are programs that choose their next step. They call tools. People check what matters."
)
_RUN_SHOWN: Final[dict[str, Any]] = {
    "id": RUN,
    "pipeline_id": PIPELINE,
    "pipeline_version": 3,
    "pipeline_name": "Brief on a topic",
    "pipeline_tags": ["briefs"],
    "is_draft": False,
    "only_step": None,
    "trigger_type": "api",
    "caller": {
        "type": "api_key",
        "id": "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e",
        "name": "Production",
    },
    "status": "completed",
    "input_data": INPUT,
    "output": _ANSWER,
    "output_is_large": False,
    "error": None,
    "input_tokens": 34,
    "cached_tokens": 0,
    "output_tokens": 27,
    "total_tokens": 61,
    "cost_usd_micros": 21,
    "cost_complete": True,
    "failed_steps": 0,
    "credits_used": 0.061,
    "retry_of": None,
    "reused": None,
    "created_at": ACCEPTED,
    "started_at": STARTED,
    "completed_at": ENDED,
}
_RUN_ACCEPTED: Final[dict[str, Any]] = _RUN_SHOWN | {
    "status": "pending",
    "output": None,
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "cost_usd_micros": 0,
    "credits_used": 0.0,
    "started_at": None,
    "completed_at": None,
}

_STEP_SHOWN: Final[dict[str, Any]] = {
    "id": STEP,
    "step_id": "brief",
    "name": "Write the brief",
    "type": "llm",
    "iteration": 1,
    "branch": "",
    "status": "completed",
    "attempts": 1,
    "model": "openai/gpt-4o-mini",
    "paid_by": "server_key",
    "prompt": "Write three sentences on AI agents, in this language: en.",
    "system_prompt": None,
    "output": _ANSWER,
    "error": None,
    "input_tokens": 34,
    "cached_tokens": 0,
    "output_tokens": 27,
    "tokens_estimated": False,
    "cost_usd_micros": 21,
    "cost_usd_micros_by_part": {"input": 5, "cached": 0, "output": 16},
    "is_reused": False,
    "started_at": STARTED,
    "completed_at": ENDED,
    "duration_ms": 4_194,
}
_OPERATION: Final[dict[str, Any]] = {
    "id": OPERATION,
    "run_id": RUN,
    "attempt": 1,
    "number": 1,
    "kind": "model_call",
    "status": "completed",
    "starts": 1,
    "idempotency_key": f"{RUN}:brief:1",
    "request_is_omitted": False,
    "response_is_omitted": False,
    "error": None,
    "model": "openai/gpt-4o-mini",
    "paid_by": "server_key",
    "input_tokens": 34,
    "cached_tokens": 0,
    "output_tokens": 27,
    "tokens_estimated": False,
    "cost_usd_micros": 21,
    "cost_usd_micros_by_part": {"input": 5, "cached": 0, "output": 16},
    "queued_at": STARTED,
    "started_at": STARTED,
    "first_piece_at": "2026-02-27T10:00:01.530Z",
    "completed_at": ENDED,
    "duration_ms": 4_194,
    "is_summary": False,
}

SHAPES: Final[dict[str, Any]] = {
    "AcceptedRun": {
        "accepted": True,
        "run_id": RUN,
        "status": "pending",
        "pipeline_id": PIPELINE,
    },
    "Attempt": {
        "number": 1,
        "at": SENT,
        "status_code": 200,
        "error": None,
        "duration_ms": 87,
        "response_headers": {"content-type": "text/plain"},
        "response_excerpt": "ok",
    },
    "Event": {
        "seq": 6,
        "type": "run.status",
        "data": {
            "run_id": RUN,
            "seq": 6,
            "status": "completed",
            "completed_at": ENDED,
            "created_at": ENDED,
        },
    },
    "Operation": _OPERATION,
    "OperationDetail": _OPERATION
    | {
        "request": {"messages": [{"role": "user", "text": _STEP_SHOWN["prompt"]}]},
        "response": _ANSWER,
    },
    "RunDetail": _RUN_SHOWN | {"steps": [_STEP_SHOWN]},
    "RunBrief": {"id": RUN, "status": "cancelled"},
    "RunRequest": {"input_data": INPUT},
    "RetryRequest": {"from": "failed"},
    "Reused": {
        "steps": 2,
        "input_tokens": 310,
        "output_tokens": 95,
        "total_tokens": 405,
        "cost_usd_micros": 103,
    },
    "Run": _RUN_SHOWN,
    "StepDetail": _STEP_SHOWN
    | {"executed_in": RUN, "operations": [_OPERATION], "next_cursor": None},
}
SHAPES["AttemptRequest"] = {
    "method": "POST",
    "url": "https://hooks.example.com/briefs",
    "headers": {
        "Authorization": "Bearer [secret:BRIEFS_TOKEN]",
        "Content-Type": "application/json",
        "X-StepIQ-Event": "pipeline.run.completed",
        "X-StepIQ-Timestamp": "1772186404",
        "X-StepIQ-Signature": "v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
        "webhook-id": DELIVERY,
        "webhook-timestamp": "1772186404",
    },
    "body": '{"event":"pipeline.run.completed"}',
    "body_bytes": 34,
    "body_sha256": "997f65350159c1763cc45b6fb028b20a874ff7b40fba30694db3b1b79677dfa1",
}
SHAPES["Delivery"] = {
    "id": DELIVERY,
    "run_id": RUN,
    "pipeline_id": PIPELINE,
    "pipeline_version": 3,
    "event": "pipeline.run.completed",
    "target": {"type": "webhook", "url": "https://hooks.example.com/briefs", "to": None},
    "target_path": "output.deliver[0]",
    "status": "delivered",
    "error": None,
    "attempts": [SHAPES["Attempt"]],
    "created_at": ENDED,
    "completed_at": "2026-02-27T10:00:04.327Z",
}

_TIMEOUT: Final = {
    "code": "step_timeout",
    "message": "Step `brief`: The attempt took longer than `timeout_seconds` (120). Raise it, or make the step do less.",
}
SHAPES["RunLink"] = {"token": "AZLwxR06exCMRC9vOp59AQBM0V7cFOl9P6mVh3mYkqRtW8b2JdXn4sLzQe5Gy1Ua"}
SHAPES["LinkedStep"] = {
    "step_id": "brief",
    "iteration": 1,
    "branch": "",
    "status": "failed",
    "error": _TIMEOUT,
    "duration_ms": 120_004,
}
SHAPES["LinkedRun"] = {
    "id": RUN,
    "pipeline_name": "Brief on a topic",
    "pipeline_version": 3,
    "status": "failed",
    "error": {**_TIMEOUT, "step_id": "brief"},
    "created_at": STARTED,
    "started_at": STARTED,
    "completed_at": "2026-02-27T10:02:00.022Z",
    "steps": [SHAPES["LinkedStep"]],
    "more_steps": False,
    "link_expires_at": "2026-03-29T10:02:00.000Z",
}

REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "POST /api/pipelines/{pipeline_id}/run": {
        "application/json": {
            "input": {"summary": "With input", "value": {"input_data": INPUT}},
            "version": {
                "summary": "With an earlier version",
                "value": {"input_data": INPUT, "version": 2},
            },
        }
    },
    "POST /api/webhooks/{pipeline_id}": {
        "application/json": {
            "wrapped": {"summary": "Recommended", "value": {"input_data": INPUT}},
            "bare": {"summary": "The body is the input", "value": INPUT},
        }
    },
}

_FRAMES: Final = f"""\
event: run.status
data: {{"run_id":"{RUN}","seq":1,"status":"pending","created_at":"{ACCEPTED}"}}
id: 1

event: step.delta
data: {{"run_id":"{RUN}","step_id":"brief","iteration":1,"attempt":1,"text":"Agents are","created_at":"{STARTED}"}}

event: run.status
data: {{"run_id":"{RUN}","seq":6,"status":"completed","completed_at":"{ENDED}","created_at":"{ENDED}"}}
id: 6

"""

_RUN_RETRIED: Final[dict[str, Any]] = _RUN_ACCEPTED | {
    "trigger_type": "retry",
    "retry_of": RUN,
    "reused": SHAPES["Reused"],
}

RESPONSES: Final[dict[str, Any]] = {
    "202 POST /api/runs/{run_id}/retry": _RUN_RETRIED,
    "202 POST /api/pipelines/{pipeline_id}/run": _RUN_ACCEPTED,
    "202 POST /api/schedules/{schedule_id}/run-now": _RUN_ACCEPTED,
    "200 GET /api/runs/{run_id}/stream": _FRAMES,
}


_EXPIRES: Final = "2026-03-02T10:00:00.018Z"
_DECIDED: Final = "2026-02-27T11:12:41.503Z"
_MESSAGE: Final = "May this brief go out?"
_DRAFT: Final = "Agents are programs that choose their next step."
_EDITED: Final = "Agents are programs that choose what they do next."
_LINK: Final = "AZLwxR06exCMRC9vOp59AQBM0V7cFOl9P6mVh3mYkqRtW8b2JdXn4sLzQe5Gy1Ua"
_REVIEW: Final[dict[str, Any]] = {
    "run_id": RUN,
    "step_id": "check",
    "pipeline_id": PIPELINE,
    "pipeline_name": "Brief on a topic",
    "iteration": 1,
    "message": _MESSAGE,
    "input": _DRAFT,
    "input_is_large": False,
    "editable": True,
    "is_test": False,
    "assignees": ["ada@example.com", "bob@example.com"],
    "requested_at": STARTED,
    "expires_at": _EXPIRES,
}

SHAPES.update(
    {
        "Review": _REVIEW,
        "ReviewDetail": _REVIEW
        | {
            "input_text": _DRAFT,
            "input_schema": {"type": "string"},
            "decision": None,
            "reviewer": None,
            "closed_at": None,
        },
        "ReviewAnswer": {"decision": "approve", "comment": "Shorter now.", "output": _EDITED},
        "ReviewLink": {"token": _LINK},
        "ReviewLinkAnswer": {"token": _LINK, "decision": "reject", "comment": "Too early."},
        "ReviewForLink": {
            "pipeline_name": "Brief on a topic",
            "step_id": "check",
            "message": _MESSAGE,
            "input": _DRAFT,
            "input_text": _DRAFT,
            "input_schema": {"type": "string"},
            "editable": True,
            "reviewer": "ada@example.com",
            "requested_at": STARTED,
            "expires_at": _EXPIRES,
        },
        "ReviewDecided": {
            "decision": "reject",
            "reviewer": "ada@example.com",
            "decided_at": _DECIDED,
        },
    }
)

REQUESTS.update(
    {
        "POST /api/runs/{run_id}/reviews/{step_id}": {
            "application/json": {
                "approve": {"summary": "Approve without changes", "value": {"decision": "approve"}},
                "edit": {"summary": "Approve with an edit", "value": SHAPES["ReviewAnswer"]},
                "reject": {
                    "summary": "Reject with a comment",
                    "value": {"decision": "reject", "comment": "Too early."},
                },
            }
        },
    }
)


SHAPES.update(
    {
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
)

REQUESTS.update(
    {
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
)
