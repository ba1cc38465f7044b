"""The examples of the API's document, by hand: one small pipeline, and all that comes of it.

What is not here is made from its schema by `samples`. All of them are checked against their schemas by a test.
"""

from typing import Any, Final

_PIPELINE: Final = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"
_RUN: Final = "0192f0c5-1d3a-7b10-8c44-2f6f3a9e7d01"
_STEP: Final = "0192f0c5-1d3b-7c22-b1d9-6a0c4e5f7a02"
_SCHEDULE: Final = "0192f0c7-52aa-7e31-9f0e-51b7c2d8e903"
_KEY: Final = "0192f0c8-0f4e-7d43-8a6b-7e1d9b3c5f04"
_STORED: Final = "0192f0c9-3b6d-7a54-9c7d-8f2e0a4d6b05"
_DELIVERY: Final = "0192f0c5-2a10-7f65-ad8e-903f1b5e7c06"
_USER: Final = "0192f0c0-9e2b-7b76-be9f-a1402c6f8d07"

_CREATED: Final = "2026-02-27T09:58:12.031Z"
_ACCEPTED: Final = "2026-02-27T10:00:00.000Z"
_STARTED: Final = "2026-02-27T10:00:00.018Z"
_ENDED: Final = "2026-02-27T10:00:04.212Z"
_SENT: Final = "2026-02-27T10:00:04.240Z"
_TOMORROW: Final = "2026-02-28T08:00:00.000Z"

_INPUT: Final = {"topic": "AI agents", "language": "en"}
_PROMPT: Final = "Write three sentences on {{input.topic}}, in this language: {{input.language}}."
_ANSWER: Final = (
    "Agents are programs that choose their next step. They call tools. People check what matters."
)

DEFINITION: Final[dict[str, Any]] = {
    "name": "Brief on a topic",
    "description": "Writes three sentences and sends them on.",
    "input": {
        "schema": {
            "topic": {"type": "string", "required": True},
            "language": {"type": "string", "default": "en"},
        }
    },
    "steps": [
        {
            "id": "brief",
            "name": "Write the brief",
            "model": "openai/gpt-4o-mini",
            "prompt": _PROMPT,
        }
    ],
    "output": {
        "deliver": [
            {
                "type": "webhook",
                "url": "https://hooks.example.com/briefs",
                "signing_secret_name": "BRIEFS_SECRET",
            }
        ]
    },
}

DEFINITION_YAML: Final = f"""\
name: Brief on a topic
description: Writes three sentences and sends them on.
input:
  schema:
    topic: {{type: string, required: true}}
    language: {{type: string, default: en}}
steps:
  - id: brief
    name: Write the brief
    model: openai/gpt-4o-mini
    prompt: "{_PROMPT}"
output:
  deliver:
    - type: webhook
      url: https://hooks.example.com/briefs
      signing_secret_name: BRIEFS_SECRET
"""

_RUN_SHOWN: Final[dict[str, Any]] = {
    "id": _RUN,
    "pipeline_id": _PIPELINE,
    "pipeline_version": 3,
    "trigger_type": "api",
    "status": "completed",
    "input_data": _INPUT,
    "output": _ANSWER,
    "output_is_large": False,
    "error": None,
    "input_tokens": 34,
    "cached_tokens": 0,
    "output_tokens": 27,
    "total_tokens": 61,
    "cost_usd_micros": 21,
    "cost_complete": True,
    "credits_used": 0.061,
    "retry_of": None,
    "created_at": _ACCEPTED,
    "started_at": _STARTED,
    "completed_at": _ENDED,
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
_PIPELINE_SHOWN: Final[dict[str, Any]] = {
    "id": _PIPELINE,
    "slug": "brief-on-a-topic",
    "name": "Brief on a topic",
    "description": "Writes three sentences and sends them on.",
    "definition": DEFINITION,
    "version": 3,
    "status": "active",
    "tags": ["marketing"],
    "last_run": {"id": _RUN, "status": "completed", "created_at": _ACCEPTED},
    "created_at": _CREATED,
    "updated_at": "2026-02-27T09:59:40.500Z",
}
_KEY_SHOWN: Final[dict[str, Any]] = {
    "id": _KEY,
    "name": "Website",
    "prefix": "sk_live_4fQz",
    "scopes": ["pipelines:execute", "webhooks:trigger"],
    "expires_at": None,
    "last_used_at": _ACCEPTED,
    "created_at": _CREATED,
}
_SECRET_SHOWN: Final[dict[str, Any]] = {
    "id": _STORED,
    "name": "BRIEFS_SECRET",
    "pipeline_id": None,
    "created_at": _CREATED,
    "updated_at": _CREATED,
}
_VERSION_SHOWN: Final[dict[str, Any]] = {
    "pipeline_id": _PIPELINE,
    "version": 3,
    "source_format": "yaml",
    "created_by": _USER,
    "created_at": "2026-02-27T09:59:40.500Z",
}
_LONG: Final = "the passphrase of a password manager"

SHAPES: Final[dict[str, Any]] = {
    "Accepted": {
        "accepted": True,
        "run_id": _RUN,
        "status": "pending",
        "pipeline_id": _PIPELINE,
    },
    "ArchivedView": {"id": _PIPELINE, "status": "archived", "deleted": True},
    "AttemptView": {
        "number": 1,
        "at": _SENT,
        "status_code": 200,
        "error": None,
        "duration_ms": 87,
        "response_headers": {"content-type": "text/plain"},
        "response_excerpt": "ok",
    },
    "ChangeView": {
        "op": "replace",
        "path": "/steps/0/model",
        "before": "openai/gpt-4o",
        "after": "openai/gpt-4o-mini",
    },
    "CreatedKey": _KEY_SHOWN
    | {"last_used_at": None, "key": "sk_live_4fQzT0wq8mJ2xYb7Lk9Vd3Rn6HcSgE1pAuZ5"},
    "Deleted": {"id": _KEY, "deleted": True},
    "DeletedScheduleView": {"id": _SCHEDULE, "deleted": True},
    "DeletedSecret": {"id": _STORED, "deleted": True},
    "DiffView": {
        "before": 2,
        "after": 3,
        "text": "--- v2.yaml\n+++ v3.yaml\n@@ -9 +9 @@\n-    model: openai/gpt-4o\n+    model: openai/gpt-4o-mini\n",
        "changes": [
            {
                "op": "replace",
                "path": "/steps/0/model",
                "before": "openai/gpt-4o",
                "after": "openai/gpt-4o-mini",
            }
        ],
    },
    "EventView": {
        "seq": 6,
        "type": "run.status",
        "data": {
            "run_id": _RUN,
            "seq": 6,
            "status": "completed",
            "completed_at": _ENDED,
            "created_at": _ENDED,
        },
    },
    "Forgotten": {"email": "ada@example.com"},
    "IssueView": {
        "path": "steps[0].promt",
        "code": "unknown_field",
        "message": "`promt` is not a field here. Did you mean `prompt`?",
        "line": 10,
        "column": 5,
    },
    "KeyView": _KEY_SHOWN,
    "Login": {"email": "ada@example.com", "password": _LONG},
    "Logout": {"all": True},
    "ModelView": {
        "id": "openai/gpt-4o-mini",
        "name": "GPT-4o mini",
        "provider": "openai",
        "context_window": 128_000,
        "max_output_tokens": 16_384,
        "input_usd_per_million": 0.15,
        "cached_input_usd_per_million": 0.075,
        "output_usd_per_million": 0.6,
        "capabilities": ["json", "streaming", "tools", "vision"],
        "usable": True,
        "reason": None,
    },
    "NewKey": {"name": "Website", "scopes": ["pipelines:execute", "webhooks:trigger"]},
    "NewSecret": {"name": "BRIEFS_SECRET", "value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "PasswordChange": {"current_password": _LONG, "new_password": f"{_LONG}, a new one"},
    "PipelinePatch": {"name": "Brief on a topic", "tags": ["marketing"]},
    "PipelineView": _PIPELINE_SHOWN,
    "ProviderView": {
        "id": "openai",
        "name": "OpenAI",
        "usable": True,
        "source": "server_key",
        "reason": None,
        "models": ["openai/gpt-4o", "openai/gpt-4o-mini"],
    },
    "Refresh": {"refresh_token": "Zk3pV9x1cQm7Lw5Tn2Yb8Rd4Hs6Jg0Fa"},
    "Registration": {"email": "ada@example.com", "password": _LONG, "name": "Ada"},
    "Reset": {"token": "Yb8Rd4Hs6Jg0FaZk3pV9x1cQm7Lw5Tn2", "password": f"{_LONG}, a new one"},
    "RunDetail": _RUN_SHOWN
    | {
        "steps": [
            {
                "id": _STEP,
                "step_id": "brief",
                "name": "Write the brief",
                "type": "llm",
                "iteration": 1,
                "branch": "",
                "status": "completed",
                "attempts": 1,
                "model": "openai/gpt-4o-mini",
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
                "started_at": _STARTED,
                "completed_at": _ENDED,
                "duration_ms": 4_194,
            }
        ]
    },
    "RunRequest": {"input_data": _INPUT},
    "RunView": _RUN_SHOWN,
    "SavedPipelineView": _PIPELINE_SHOWN | {"warnings": []},
    "SchedulePatch": {"cron_expression": "0 8 * * 1-5", "timezone": "Europe/Berlin"},
    "ScheduleRequest": {
        "name": "Every working day",
        "cron_expression": "0 9 * * 1-5",
        "timezone": "Europe/Berlin",
        "input_data": {"topic": "AI agents"},
        "overlap": "skip",
        "catch_up": "last",
    },
    "ScheduleView": {
        "id": _SCHEDULE,
        "pipeline_id": _PIPELINE,
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
        "created_at": _CREATED,
        "updated_at": _CREATED,
    },
    "SecretView": _SECRET_SHOWN,
    "SeriesEntryView": {
        "key": "2026-02-27",
        "name": None,
        "runs": 12,
        "tokens": 732,
        "cost_usd_micros": 252,
        "cost_complete": True,
    },
    "SessionsEnded": {"sessions_ended": 2},
    "StoredSecret": _SECRET_SHOWN | {"warning": None},
    "TickView": {
        "due_at": "2026-02-27T08:00:00.000Z",
        "outcome": "started",
        "reason": None,
        "run_id": _RUN,
        "recorded_at": "2026-02-27T08:00:00.142Z",
    },
    "UpcomingView": {
        "schedule_id": _SCHEDULE,
        "pipeline_id": _PIPELINE,
        "pipeline_name": "Brief on a topic",
        "name": "Every working day",
        "run_at": "2026-03-02T08:00:00.000Z",
    },
    "UserView": {
        "id": _USER,
        "email": "ada@example.com",
        "name": "Ada",
        "plan": "starter",
        "limits": {
            "credits_per_month": 2_000,
            "runs_per_day": 100,
            "pipelines": 10,
            "steps": 10,
            "cron": True,
            "webhooks": True,
            "agent_turns": 8,
            "agent_seconds": 180,
            "agent_tool_calls": 3,
            "requests_per_minute": 300,
            "runs_at_once": 5,
            "runs_queued": 200,
        },
        "credits_remaining": 1_999,
        "is_admin": False,
        "created_at": _CREATED,
    },
    "UsageView": {
        "from": "2026-02-01",
        "to": "2026-02-27",
        "runs": {"total": 13, "completed": 11, "failed": 1, "cancelled": 0, "unfinished": 1},
        "tokens": {"input": 408, "cached": 0, "output": 324, "total": 732},
        "cost_usd_micros": 252,
        "cost_complete": True,
        "credits": {"used": 0, "remaining": 1_999},
        "series": [
            {
                "key": "2026-02-27",
                "name": None,
                "runs": 12,
                "tokens": 732,
                "cost_usd_micros": 252,
                "cost_complete": True,
            }
        ],
        "series_complete": True,
    },
    "ValidationView": {
        "valid": False,
        "errors": [
            {
                "path": "steps[0].promt",
                "code": "unknown_field",
                "message": "`promt` is not a field here. Did you mean `prompt`?",
                "line": 10,
                "column": 5,
            }
        ],
        "warnings": [],
    },
    "VersionSummaryView": _VERSION_SHOWN,
    "VersionView": _VERSION_SHOWN | {"definition": DEFINITION},
}
"""An example of each shape, wherever it stands."""

SHAPES["SessionView"] = {
    "user": SHAPES["UserView"],
    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTkyZjBjMCJ9.Jx0nT7Qm",
    "refresh_token": "Zk3pV9x1cQm7Lw5Tn2Yb8Rd4Hs6Jg0Fa",
    "token_type": "Bearer",
    "expires_in": 900,
}
SHAPES["DeliveryView"] = {
    "id": _DELIVERY,
    "run_id": _RUN,
    "pipeline_id": _PIPELINE,
    "pipeline_version": 3,
    "event": "pipeline.run.completed",
    "target": {"type": "webhook", "url": "https://hooks.example.com/briefs", "to": None},
    "target_path": "output.deliver[0]",
    "status": "delivered",
    "error": None,
    "attempts": [SHAPES["AttemptView"]],
    "created_at": _ENDED,
    "completed_at": "2026-02-27T10:00:04.327Z",
}

_DEFINITIONS: Final[dict[str, dict[str, Any]]] = {
    "application/json": {
        "definition": {"summary": "The definition itself", "value": DEFINITION},
        "with_tags": {
            "summary": "A definition, and what is said about it",
            "value": {"tags": ["marketing"], "slug": "brief", "definition": DEFINITION},
        },
    },
    "application/yaml": {
        "definition": {
            "summary": "The definition, kept with its comments",
            "value": DEFINITION_YAML,
        }
    },
}

REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "POST /api/pipelines": _DEFINITIONS,
    "POST /api/pipelines/validate": _DEFINITIONS,
    "PUT /api/pipelines/{pipeline_id}": _DEFINITIONS,
    "POST /api/pipelines/{pipeline_id}/run": {
        "application/json": {
            "input": {"summary": "With input", "value": {"input_data": _INPUT}},
            "version": {
                "summary": "With an earlier version",
                "value": {"input_data": _INPUT, "version": 2},
            },
        }
    },
    "POST /api/webhooks/{pipeline_id}": {
        "application/json": {
            "wrapped": {"summary": "Recommended", "value": {"input_data": _INPUT}},
            "bare": {"summary": "The whole body is the input", "value": _INPUT},
        }
    },
    "POST /api/pipelines/{pipeline_id}/schedules": {
        "application/json": {
            "working_days": {
                "summary": "At nine on working days, in Berlin's time",
                "value": SHAPES["ScheduleRequest"],
            },
            "quarter_hours": {
                "summary": "Every quarter of an hour, in UTC",
                "value": {
                    "name": "Quarter hours",
                    "cron_expression": "*/15 * * * *",
                    "input_data": {"topic": "AI agents"},
                },
            },
        }
    },
}
"""Examples of bodies, by operation and media type, where there is more than the shape's own."""

_FRAMES: Final = f"""\
event: run.status
data: {{"run_id":"{_RUN}","seq":1,"status":"pending","created_at":"{_ACCEPTED}"}}
id: 1

event: step.delta
data: {{"run_id":"{_RUN}","step_id":"brief","iteration":1,"attempt":1,"text":"Agents are","created_at":"{_STARTED}"}}

event: run.status
data: {{"run_id":"{_RUN}","seq":6,"status":"completed","completed_at":"{_ENDED}","created_at":"{_ENDED}"}}
id: 6

"""

RESPONSES: Final[dict[str, Any]] = {
    "202 POST /api/pipelines/{pipeline_id}/run": _RUN_ACCEPTED,
    "202 POST /api/schedules/{schedule_id}/run-now": _RUN_ACCEPTED,
    "200 GET /api/runs/{run_id}/stream": _FRAMES,
    "200 GET /metrics": (
        "# TYPE stepiq_runs_ended_total counter\n"
        'stepiq_runs_ended_total{status="completed",trigger="api"} 11.0\n'
    ),
}
"""Examples of answers, by status and operation, where the shape's own does not fit."""

PARAMETERS: Final[dict[str, Any]] = {
    "pipeline_id": _PIPELINE,
    "run_id": _RUN,
    "schedule_id": _SCHEDULE,
    "key_id": _KEY,
    "delivery_id": _DELIVERY,
    "secret": "BRIEFS_SECRET",
    "model_id": "openai/gpt-4o-mini",
    "number": 2,
    "other": 3,
    "If-Match": '"v3"',
    "Last-Event-ID": "4",
    "Idempotency-Key": "order-1017",
    "Accept": "application/yaml",
}
"""Examples of parameters, by name."""
