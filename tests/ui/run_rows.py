"""Inserts ended runs into the file of a server, because to execute them takes longer than a test has."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock, ids
from stepiq.store.tables import pipelines, run_steps, runs

Row = dict[str, Any]


def insert_run(data: Path, pipeline_id: str, steps: Sequence[Row], **values: Any) -> UUID:
    """Insert a completed run of a pipeline with executions of steps, each 10 ms after the one before.

    Args:
        data: the data folder of the server.
        pipeline_id: of a pipeline with one version.
        steps: columns of `run_steps` that are not the default.
        values: columns of `runs`.
    """
    engine = sa.create_engine(f"sqlite:///{data / 'stepiq.db'}", connect_args={"timeout": 30})
    run_id, start = ids.uuid7(), clock.now() - timedelta(hours=1)
    end = start + timedelta(milliseconds=10 * len(steps) + 10)
    run = {
        "id": run_id,
        "pipeline_id": UUID(pipeline_id),
        "pipeline_version": 1,
        "trigger_type": "manual",
        "status": "completed",
        "input_data": {},
        "deadline_at": end,
        "created_at": start,
        "started_at": start,
        "completed_at": end,
    }
    rows = [_step(run_id, index, start, step) for index, step in enumerate(steps)]
    with engine.begin() as connection:
        owner = connection.scalar(
            sa.select(pipelines.c.workspace_id).where(pipelines.c.id == UUID(pipeline_id))
        )
        connection.execute(runs.insert(), {**run, "workspace_id": owner, **values})
        connection.execute(run_steps.insert(), rows)
    engine.dispose()
    return run_id


def _step(run_id: UUID, index: int, start: Any, given: Row) -> Row:
    began = start + timedelta(milliseconds=10 * index)
    default = {
        "id": ids.uuid7(),
        "run_id": run_id,
        "step_id": f"step-{index}",
        "branch": "",
        "iteration": 1,
        "ordinal": index + 1,
        "name": given.get("step_id", f"step-{index}"),
        "type": "transform",
        "status": "completed",
        "attempts": 1,
        "output": None,
        "error": None,
        "started_at": began,
        "completed_at": began + timedelta(milliseconds=8),
    }
    return default | given
