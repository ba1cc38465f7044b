"""Reviews that wait for a person, and their decisions."""

import sqlalchemy as sa

from stepiq.store.states import ReviewDecision
from stepiq.store.tables.base import identity, metadata, owner
from stepiq.store.types import Instant, JsonText, one_of

reviews = sa.Table(
    "reviews",
    metadata,
    identity(),
    owner(),
    sa.Column("pipeline_id", sa.Uuid(), nullable=False),
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("step_id", sa.Text(), nullable=False),
    sa.Column("iteration", sa.Integer(), nullable=False),
    sa.Column("message", sa.Text(), nullable=False),
    sa.Column("input", JsonText()),
    sa.Column("editable", sa.Boolean(), nullable=False),
    sa.Column("assignees", JsonText(), nullable=False),
    sa.Column("requested_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("closed_at", Instant()),  # decided, expired, or its run has ended
    sa.Column("decision", sa.Text()),  # null: not decided
    sa.Column("comment", sa.Text()),
    sa.Column("output", JsonText()),  # as edited
    sa.Column("reviewer", sa.Text()),
    one_of("decision", ReviewDecision),
    sa.CheckConstraint("decision IS NULL OR closed_at IS NOT NULL", name="decided_is_closed"),
    sa.UniqueConstraint("run_id", "step_id", "iteration"),
    sa.Index(
        "ix_reviews_open",
        "workspace_id",
        "id",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)
