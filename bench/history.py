"""Writes a history of runs into a database, in the store's own SQL: rows made in Python would take hours.

Every run of it has ended. Of 20 runs 17 completed, two failed and one was cancelled; five in ten came by webhook, two by
API, one each by hand, by schedule and as a retry. A hundred-thousandth of them is of a pipeline that nobody else uses.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.store.connections import engines
from stepiq.store.database import Database
from stepiq.store.tables import usage_days

DAYS = 40
"""How far the history goes back: ten days further than runs are kept."""
_BATCH = 20_000
_RARE = 100_000

# Of each store: how to count, to read a number of milliseconds, to write one as an instant, and to take digits by chance.
_WORDS = {
    "postgresql": {
        "runs": "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS numbers(n)",
        "steps": "generate_series(1, CAST(:steps AS int)) AS parts(k)",
        "events": "generate_series(1, CAST(:steps AS int) + 3) AS parts(k)",
        "instant": "to_timestamp({} / 1000.0)",
        "hex": "lpad(to_hex({}), 12, '0')",
        "digits": "substr(md5(random()::text), 1, {})",
        "uuid": "CAST({} AS uuid)",
        "false": "false",
        "ms": "(extract(epoch FROM created_at) * 1000)::bigint",
    },
    "sqlite": {
        "runs": "(WITH RECURSIVE up(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM up WHERE n < :last) SELECT n FROM up)",
        "steps": "(WITH RECURSIVE up(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM up WHERE k < :steps) SELECT k FROM up)",
        "events": "(WITH RECURSIVE up(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM up WHERE k < :steps + 3) SELECT k FROM up)",
        "instant": "({} * 1000)",
        "hex": "printf('%012x', {})",
        "digits": "substr(lower(hex(randomblob(8))), 1, {})",
        "uuid": "{}",
        "false": "0",
        "ms": "(created_at / 1000)",
    },
}
_RUNS = """
INSERT INTO runs (id, workspace_id, pipeline_id, pipeline_version, trigger_type, status, input_data, output, error,
    ticket, last_seq, deadline_at, created_at, started_at, completed_at)
SELECT {id}, {workspace}, {pipeline}, 1,
    CASE n % 10 WHEN 5 THEN 'api' WHEN 6 THEN 'api' WHEN 7 THEN 'manual' WHEN 8 THEN 'cron' WHEN 9 THEN 'retry'
        ELSE 'webhook' END,
    {status}, '{{"x": 1}}',
    CASE WHEN {status} = 'completed' THEN '"done"' END,
    CASE WHEN {status} = 'failed' THEN '{{"code": "step_failed", "message": "no", "step_id": "s1"}}' END,
    1, :steps + 3, {at}, {at}, {at}, {at}
FROM {runs}
"""
_STATUS = "CASE (n / 10) % 20 WHEN 17 THEN 'failed' WHEN 18 THEN 'failed' WHEN 19 THEN 'cancelled' ELSE 'completed' END"
_STEPS = """
INSERT INTO run_steps (id, run_id, step_id, iteration, ordinal, name, type, status, attempts, output, started_at, completed_at)
SELECT {id}, runs.id, 's' || k, 1, k, 'Step ' || k, 'transform', 'completed', 1,
    '"' || {digits} || ' and what else a step says in a sentence"', created_at, created_at
FROM runs CROSS JOIN {steps} WHERE runs.id >= :low AND runs.id < :high ORDER BY runs.id
"""
_EVENTS = """
INSERT INTO run_events (run_id, seq, type, data, created_at)
SELECT runs.id, k, 'step.status', '{{"step_id": "s' || k || '", "iteration": 1, "status": "completed"}}', created_at
FROM runs CROSS JOIN {events} WHERE runs.id >= :low AND runs.id < :high ORDER BY runs.id
"""


def write(
    store: Database,
    workspace_id: UUID,
    pipelines: Sequence[UUID],
    rare: UUID,
    runs: int,
    steps: int,
) -> None:
    """Write that many runs over the last 40 days, each with so many steps and three events more than those."""
    engine = engines.create(store.url)
    words = _WORDS[engine.dialect.name]
    # It ends an hour ago, before any run that a server has really carried.
    first_ms = int((clock.now() - timedelta(days=DAYS)).timestamp() * 1000)
    span_ms = (DAYS * 24 - 1) * 3_600_000
    ms = f"({first_ms} + {span_ms} * n / {runs})"
    if engine.dialect.name == "postgresql":
        ms = f"CAST({ms} AS bigint)"
    chance = f"'7' || {words['digits'].format(3)} || '8' || {words['digits'].format(15)}"
    names = {
        "runs": words["runs"],
        "steps": words["steps"],
        "events": words["events"],
        "status": _STATUS,
        "at": words["instant"].format(ms),
        "digits": words["digits"].format(12),
        "workspace": _written(engine, workspace_id),
        "pipeline": f"CASE WHEN n % {_RARE} = 7 THEN {_written(engine, rare)} "
        f"WHEN n % 3 = 0 THEN {_written(engine, pipelines[0])} ELSE {_written(engine, pipelines[1])} END",
    }
    run_id = words["uuid"].format(f"{words['hex'].format(ms)} || {chance}")
    step_id = words["uuid"].format(f"{words['hex'].format(words['ms'])} || {chance}")
    with engine.connect() as connection:
        for first in range(0, runs, _BATCH):
            last = min(first + _BATCH, runs) - 1
            low, high = (
                UUID(int=(first_ms + span_ms * number // runs) << 80)
                for number in (first, last + 1)
            )
            where = {"steps": steps, "first": first, "last": last}
            where |= {"low": _bound(engine, low), "high": _bound(engine, high)}
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    # References are right by construction; to check each would take as long as to write it.
                    connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                _execute(connection, _RUNS.format(**names, id=run_id), where)
                _execute(connection, _STEPS.format(**names, id=step_id), where)
                _execute(connection, _EVENTS.format(**names), where)
        with connection.begin():
            connection.execute(usage_days.insert(), _usage(workspace_id, pipelines, runs))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # What autovacuum does by itself some minutes later.
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _execute(connection: sa.Connection, text: str, parameters: dict[str, Any]) -> None:
    statement = sa.text(text)
    wanted = statement.compile().params.keys()
    connection.execute(statement, {name: parameters[name] for name in wanted})


def _written(engine: sa.Engine, value: UUID) -> str:
    return f"'{value.hex}'" if engine.dialect.name == "sqlite" else f"CAST('{value}' AS uuid)"


def _bound(engine: sa.Engine, value: UUID) -> str | UUID:
    return value.hex if engine.dialect.name == "sqlite" else value


def _usage(workspace_id: UUID, pipelines: Sequence[UUID], runs: int) -> list[dict[str, Any]]:
    first = clock.now().date() - timedelta(days=DAYS)
    return [
        {
            "workspace_id": workspace_id,
            "day": (first + timedelta(days=day)).isoformat(),
            "pipeline_id": pipeline_id,
            "model": model,
            "runs": runs // DAYS,
            "input_tokens": 1_000 if model else 0,
        }
        for day in range(DAYS)
        for pipeline_id in pipelines
        for model in ("", "openai/gpt-4o-mini", "openai/gpt-4o", "ollama/llama3")
    ]
