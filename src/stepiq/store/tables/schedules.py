"""Schedules, which start runs at set times, and the outcome of each tick."""

import sqlalchemy as sa

from stepiq.store.states import CatchUp, Overlap, TickOutcome
from stepiq.store.tables.base import identity, metadata, owner
from stepiq.store.types import Instant, JsonText, one_of

schedules = sa.Table(
    "schedules",
    metadata,
    identity(),
    owner(),
    sa.Column("pipeline_id", sa.Uuid(), sa.ForeignKey("pipelines.id"), nullable=False),
    sa.Column("created_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("cron_expression", sa.Text(), nullable=False),
    sa.Column("timezone", sa.Text(), nullable=False),
    sa.Column("input_data", JsonText(), nullable=False),
    sa.Column("enabled", sa.Boolean(), nullable=False),
    sa.Column("overlap", sa.Text(), nullable=False),
    sa.Column("catch_up", sa.Text(), nullable=False),
    # Synchronized with the definition's own `schedule`; at most one per pipeline.
    sa.Column("from_definition", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("next_run_at", Instant()),  # null: it does not fire
    sa.Column("last_run_at", Instant()),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    one_of("overlap", Overlap),
    one_of("catch_up", CatchUp),
    sa.Index(None, "next_run_at"),
    sa.Index(None, "pipeline_id", "id"),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(None, "workspace_id", "next_run_at"),
    sa.Index(
        "uq_schedules_of_definition",
        "pipeline_id",
        unique=True,
        sqlite_where=sa.text("from_definition"),
        postgresql_where=sa.text("from_definition"),
    ),
)

schedule_ticks = sa.Table(
    "schedule_ticks",
    metadata,
    sa.Column(
        "schedule_id",
        sa.Uuid(),
        sa.ForeignKey("schedules.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("due_at", Instant(), primary_key=True),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text()),  # why it was skipped or missed
    sa.Column("run_id", sa.Uuid()),
    sa.Column("recorded_at", Instant(), nullable=False),
    one_of("outcome", TickOutcome),
    sa.CheckConstraint("(outcome = 'started') = (run_id IS NOT NULL)", name="run_when_started"),
    sa.Index(None, "recorded_at"),
)
