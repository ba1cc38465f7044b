"""Add `bulk_jobs` and `bulk_items`."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant, JsonText

revision = "202611262325"
down_revision = "202611262300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("options", JsonText(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("has_more", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("continue_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("completed_at", Instant(), nullable=True),
        sa.CheckConstraint("action IN ('cancel', 'retry')", name=op.f("ck_bulk_jobs_action_known")),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'cancelled')",
            name=op.f("ck_bulk_jobs_status_known"),
        ),
        sa.CheckConstraint(
            "(status IN ('cancelled', 'completed')) = (completed_at IS NOT NULL)",
            name=op.f("ck_bulk_jobs_ends_when_final"),
        ),
        sa.CheckConstraint("done + failed <= total", name=op.f("ck_bulk_jobs_items_counted")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_bulk_jobs_workspace_id_workspaces")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bulk_jobs_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_jobs")),
    )
    op.create_index("ix_bulk_jobs_workspace_id_id", "bulk_jobs", ["workspace_id", "id"])
    for name, columns, condition in (
        ("ix_bulk_jobs_unfinished", ["workspace_id", "id"], "completed_at IS NULL"),
        ("ix_bulk_jobs_ended", ["completed_at"], "completed_at IS NOT NULL"),
    ):
        op.create_index(
            name,
            "bulk_jobs",
            columns,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "bulk_items",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("new_run_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'done', 'failed')", name=op.f("ck_bulk_items_status_known")
        ),
        sa.CheckConstraint(
            "(status = 'failed') = (code IS NOT NULL)", name=op.f("ck_bulk_items_code_when_failed")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["bulk_jobs.id"],
            name=op.f("fk_bulk_items_job_id_bulk_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_bulk_items")),
    )
    op.create_index(
        "ix_bulk_items_job_id_status_position", "bulk_items", ["job_id", "status", "position"]
    )
    op.create_index(
        "ix_bulk_items_failed",
        "bulk_items",
        ["job_id", "code"],
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    )


def downgrade() -> None:
    op.drop_table("bulk_items")
    op.drop_table("bulk_jobs")
