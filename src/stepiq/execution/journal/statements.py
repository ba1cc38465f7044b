"""The SQL statements of the journal."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.execution.admission.control import PARKED
from stepiq.execution.limits.usage import Meter
from stepiq.execution.records.rows import CLAIMED, STEP_COLUMNS
from stepiq.store.statements.workspaces import PLAN
from stepiq.store.states import RunStatus
from stepiq.store.tables import large_values, run_steps, runs, workspaces

SUMS = ("input_tokens", "cached_tokens", "output_tokens", "credit_tokens", "cost_usd_micros")

CRASHES = (runs.c.crashes, runs.c.crashes_in_total)
"""Columns that count claims whose process died. Progress resets the first one."""

# Built once, because building them takes longer than executing them.
RUNS = sa.bindparam("ids", expanding=True, type_=runs.c.id.type)
CLAIM = (
    runs.update()
    .where(runs.c.id.in_(RUNS), runs.c.status.in_((RunStatus.PENDING, RunStatus.RUNNING)))
    .values(
        claim=runs.c.claim + 1,
        status=RunStatus.RUNNING,
        **{
            column.name: sa.case((runs.c.is_claimed, column + 1), else_=column)
            for column in CRASHES
        },
        is_claimed=True,
        started_at=sa.func.coalesce(
            runs.c.started_at, sa.bindparam("now", type_=runs.c.started_at.type)
        ),
        last_seq=sa.case(
            (runs.c.claim + 1 == runs.c.ticket, runs.c.last_seq + 1), else_=runs.c.last_seq
        ),
    )
    .returning(*CLAIMED, runs.c.last_seq, runs.c.reused.is_not(None).label("has_reused"))
)
CLAIM_AGAIN = CLAIM.values({column.name: column for column in CRASHES})
CLAIM_HELD = CLAIM_AGAIN.where(runs.c.claim == sa.bindparam("held", type_=sa.Integer))
RELEASE = (
    runs.update()
    .where(
        runs.c.id == sa.bindparam("row_id", type_=runs.c.id.type),
        runs.c.claim == sa.bindparam("held", type_=sa.Integer),
    )
    .values(is_claimed=False)
)
STEPS = (
    sa.select(*STEP_COLUMNS)
    .select_from(run_steps)
    .outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
    .where(run_steps.c.run_id.in_(RUNS))
    .order_by(run_steps.c.run_id, run_steps.c.ordinal)
)
NEW_STEPS = run_steps.insert()
HOLD = (
    sa.select(
        runs.c.id, runs.c.claim, runs.c.status, runs.c.last_seq, runs.c.ticket, runs.c.executor
    )
    .where(runs.c.id.in_(RUNS))
    .order_by(runs.c.id)
    .with_for_update(key_share=True)
)
HOLD_WITH_PLAN = HOLD.add_columns(
    sa.select(PLAN).where(workspaces.c.id == runs.c.workspace_id).scalar_subquery().label("plan")
)
HAS_PROGRESS = sa.bindparam("has_progress", type_=sa.Boolean)
MOVE = (
    runs.update()
    .where(runs.c.id == sa.bindparam("row_id", type_=runs.c.id.type))
    .values(
        last_seq=runs.c.last_seq + sa.bindparam("more_events", type_=sa.Integer),
        cost_complete=sa.and_(runs.c.cost_complete, sa.bindparam("is_known", type_=sa.Boolean)),
        crashes=sa.case((HAS_PROGRESS, 0), else_=runs.c.crashes),
        **{
            name: runs.c[name] + sa.bindparam(f"more_{name}", type_=runs.c[name].type)
            for name in SUMS
        },
    )
)
END = MOVE.values(
    is_claimed=False,
    status=sa.bindparam("to_status", type_=runs.c.status.type),
    completed_at=sa.bindparam("at", type_=runs.c.completed_at.type),
    output=sa.bindparam("to_output", type_=runs.c.output.type),
    output_is_large=sa.bindparam("to_output_is_large", type_=sa.Boolean),
    error=sa.bindparam("to_error", type_=runs.c.error.type),
    error_code=sa.bindparam("to_error_code", type_=runs.c.error_code.type),
    failed_steps=sa.bindparam("to_failed_steps", type_=sa.Integer),
)
PARK = MOVE.values(
    is_claimed=False,
    status=RunStatus.WAITING,
    ticket=PARKED,
    executor=None,
    wake_at=sa.bindparam("wake_at", type_=runs.c.wake_at.type),
)
CHANGE_STEP = run_steps.update().where(
    run_steps.c.id == sa.bindparam("row_id", type_=run_steps.c.id.type)
)


def moved(
    run_id: UUID, events_added: int, meters: Sequence[Meter], *, has_progress: bool = False
) -> dict[str, Any]:
    """Parameters that `MOVE`, `PARK` and `END` share."""
    sums = {f"more_{name}": sum(getattr(meter, name) for meter in meters) for name in SUMS}
    is_known = all(meter.cost_complete for meter in meters)
    return {
        "row_id": run_id,
        "more_events": events_added,
        "is_known": is_known,
        "has_progress": has_progress,
        **sums,
    }
