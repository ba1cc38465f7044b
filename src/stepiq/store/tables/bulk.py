"""Jobs that cancel or retry many runs, and the run of each item."""

import sqlalchemy as sa

from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus
from stepiq.store.tables.base import identity, metadata, owner
from stepiq.store.types import Instant, JsonText, one_of

_UNFINISHED = "completed_at IS NULL"
_FAILED = "status = 'failed'"

bulk_jobs = sa.Table(
    "bulk_jobs",
    metadata,
    identity(),
    owner(),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("key_id", sa.Uuid()),  # the API key of the caller; null: a session
    sa.Column("action", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("options", JsonText(), nullable=False),  # of retries: from, version
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("total", sa.Integer(), nullable=False),
    sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("failed", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("has_more", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("continue_at", Instant()),  # of a job that waits for the queue of the plan
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("started_at", Instant()),
    sa.Column("completed_at", Instant()),
    one_of("action", BulkAction),
    one_of("status", BulkStatus),
    sa.CheckConstraint(
        "(status IN ('cancelled', 'completed')) = (completed_at IS NOT NULL)",
        name="ends_when_final",
    ),
    sa.CheckConstraint("done + failed <= total", name="items_counted"),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(
        "ix_bulk_jobs_unfinished",
        "workspace_id",
        "id",
        sqlite_where=sa.text(_UNFINISHED),
        postgresql_where=sa.text(_UNFINISHED),
    ),
    # For deleting ended jobs, the oldest first.
    sa.Index(
        "ix_bulk_jobs_ended",
        "completed_at",
        sqlite_where=sa.text("completed_at IS NOT NULL"),
        postgresql_where=sa.text("completed_at IS NOT NULL"),
    ),
)

bulk_items = sa.Table(
    "bulk_items",
    metadata,
    sa.Column(
        "job_id", sa.Uuid(), sa.ForeignKey("bulk_jobs.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("position", sa.Integer(), primary_key=True),  # from 1, in the order of execution
    sa.Column("run_id", sa.Uuid(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("code", sa.Text()),  # of the error, if it failed
    sa.Column("message", sa.Text()),
    sa.Column("new_run_id", sa.Uuid()),  # of a retry
    one_of("status", BulkItemStatus),
    sa.CheckConstraint("(status = 'failed') = (code IS NOT NULL)", name="code_when_failed"),
    sa.Index(None, "job_id", "status", "position"),
    sa.Index(
        "ix_bulk_items_failed",
        "job_id",
        "code",
        sqlite_where=sa.text(_FAILED),
        postgresql_where=sa.text(_FAILED),
    ),
)
