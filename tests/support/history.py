"""Fills tables with enough rows for realistic query plans."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.store.database import PATIENT_SECONDS, Database
from stepiq.store.states import RunStatus, TriggerType
from stepiq.store.tables import (
    deliveries,
    delivery_attempts,
    large_values,
    operation_payloads,
    pipeline_versions,
    pipelines,
    refresh_tokens,
    reviews,
    run_events,
    run_operations,
    run_steps,
    runs,
    schedule_ticks,
    schedules,
    sessions,
    usage_days,
    users,
    workspaces,
)

_DAYS = 60
_RUNS = 3_000
_STEPS = 3
_ACCOUNTS = 300
_BUSY = 10
"""The number of accounts with runs."""

Row = dict[str, Any]


async def grow(database: Database, account: Account, pipeline_id: UUID) -> None:
    """Insert two months of ended runs with steps, operations, events, large values, deliveries and usage, and other accounts."""
    now = clock.now()
    others = [_account(number, now) for number in range(_ACCOUNTS)]
    busy = [(account.workspace_id, pipeline_id)]
    busy += [(other[workspaces]["id"], other[pipelines]["id"]) for other in others[: _BUSY - 1]]
    made = [
        _run(*busy[number % _BUSY], now - timedelta(days=_DAYS) * number / _RUNS, number)
        for number in range(_RUNS)
    ]
    rows: dict[sa.Table, list[Row]] = {
        table: [other[table] for other in others] for table in others[0]
    }
    steps = [_step(run, number) for run in made for number in range(_STEPS)]
    rows |= {
        runs: made,
        run_steps: steps,
        run_operations: (called := [_operation(step) for step in steps]),
        operation_payloads: [
            {"operation_id": each["id"], "part": "request", "value": 1} for each in called[::_STEPS]
        ],
        run_events: [
            {"run_id": run["id"], "seq": seq, "type": "x", "data": {}, "created_at": now}
            for run in made
            for seq in range(1, 4)
        ],
        large_values: [{"owner_id": run["id"], "run_id": run["id"], "value": 1} for run in made],
        reviews: [_review(run) for run in made],
        deliveries: (sent := [_delivery(run) for run in made]),
        delivery_attempts: [{"delivery_id": each["id"], "number": 1, "at": now} for each in sent],
        usage_days: [
            {"workspace_id": owner, "day": day, "pipeline_id": pipeline, "model": model}
            for owner, pipeline in busy
            for day in ((now - timedelta(days=n)).date().isoformat() for n in range(1, _DAYS))
            for model in ("", "openai/gpt-4o", "ollama/llama3")
        ],
    }
    async with database.transaction(PATIENT_SECONDS) as session:
        for table, values in rows.items():
            await session.execute(table.insert(), values)
        if not database.is_sqlite:
            await session.execute(sa.text("ANALYZE"))


def _account(number: int, now: datetime) -> dict[sa.Table, Row]:
    user, workspace, pipeline, session, schedule = (uuid4() for _ in range(5))
    owned = {"workspace_id": workspace, "created_at": now}
    later = now + timedelta(days=number % 30)
    return {
        users: {
            "id": user,
            "email": f"{user}@example.com",
            "name": "x",
            "name_folded": "x",
            "password_hash": "",
            "created_at": now,
        },
        workspaces: {
            "id": workspace,
            "name": "x",
            "name_folded": "x",
            "plan": "enterprise",
            "created_at": now,
        },
        pipelines: {
            **owned,
            "id": pipeline,
            "slug": "x",
            "name": f"Report {number}",
            "name_folded": f"report {number}",
            "tags": [],
            "status": "active",
            "version": 1,
            "updated_at": now,
        },
        pipeline_versions: {
            **owned,
            "pipeline_id": pipeline,
            "version": 1,
            "source": "",
            "source_format": "yaml",
            "source_sha256": bytes(32),
            "secret_names": [],
            "definition": {},
            "created_by": user,
        },
        sessions: {**owned, "id": session, "user_id": user, "expires_at": later},
        refresh_tokens: {
            "id": uuid4(),
            "session_id": session,
            "token_hash": user.bytes * 2,
            "created_at": now,
            "expires_at": later,
        },
        schedules: {
            **owned,
            "id": schedule,
            "pipeline_id": pipeline,
            "created_by": user,
            "name": "x",
            "cron_expression": "0 0 1 1 *",
            "timezone": "UTC",
            "input_data": {},
            "enabled": True,
            "overlap": "allow",
            "catch_up": "none",
            "next_run_at": now + timedelta(days=100 + number),
            "updated_at": now,
        },
        schedule_ticks: {
            "schedule_id": schedule,
            "due_at": now,
            "outcome": "missed",
            "recorded_at": now - timedelta(days=number % 40),
        },
    }


def _review(run: Row) -> Row:
    return {
        "id": uuid4(),
        "workspace_id": run["workspace_id"],
        "pipeline_id": run["pipeline_id"],
        "run_id": run["id"],
        "step_id": "check",
        "iteration": 1,
        "message": "x",
        "editable": False,
        "assignees": [],
        "requested_at": run["created_at"],
        "expires_at": run["created_at"],
        "closed_at": run["created_at"],
    }


def _run(workspace_id: UUID, pipeline_id: UUID, at: datetime, number: int) -> Row:
    triggers = list(TriggerType)
    return {
        "id": UUID(int=ids.first_at(at).int + number),
        "workspace_id": workspace_id,
        "pipeline_id": pipeline_id,
        "pipeline_version": 1,
        "trigger_type": triggers[number // _BUSY % len(triggers)],
        "status": RunStatus.COMPLETED if number // _BUSY % 10 else RunStatus.CANCELLED,
        "input_data": {},
        "ticket": 1,
        "last_seq": 3,
        "deadline_at": at,
        "created_at": at,
        "completed_at": at,
    }


def _step(run: Row, number: int) -> Row:
    return {
        "id": ids.uuid7(),
        "run_id": run["id"],
        "step_id": f"s{number}",
        "iteration": 1,
        "ordinal": number,
        "name": "s",
        "type": "transform",
        "status": "completed",
        "completed_at": run["completed_at"],
    }


def _operation(step: Row) -> Row:
    return {
        "id": ids.uuid7(),
        "run_id": step["run_id"],
        "step_row_id": step["id"],
        "attempt": 1,
        "number": 1,
        "kind": "http_call",
        "status": "completed",
        "key": "x",
        "queued_at": step["completed_at"],
        "ended_at": step["completed_at"],
    }


def _delivery(run: Row) -> Row:
    return {
        "id": UUID(int=run["id"].int + (1 << 62)),
        "workspace_id": run["workspace_id"],
        "pipeline_id": run["pipeline_id"],
        "pipeline_version": 1,
        "run_id": run["id"],
        "event": "pipeline.run.completed",
        "target_type": "webhook",
        "target_path": "output.deliver[0]",
        "target": {},
        "status": "delivered",
        "created_at": run["completed_at"],
        "completed_at": run["completed_at"],
    }
