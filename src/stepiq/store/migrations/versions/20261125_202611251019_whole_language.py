"""Reviews, waiting runs, jumps between steps, and runs that repeat others."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant, JsonText

revision = "202611251019"
down_revision = "202611242255"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("input", JsonText(), nullable=True),
        sa.Column("editable", sa.Boolean(), nullable=False),
        sa.Column("assignees", JsonText(), nullable=False),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("output", JsonText(), nullable=True),
        sa.Column("reviewer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "decision IN ('approve', 'reject')", name=op.f("ck_reviews_decision_known")
        ),
        sa.CheckConstraint(
            "decision IS NULL OR closed_at IS NOT NULL", name=op.f("ck_reviews_decided_is_closed")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_reviews_run_id_runs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_reviews_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint(
            "run_id", "step_id", "iteration", name=op.f("uq_reviews_run_id_step_id_iteration")
        ),
    )
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.create_index(
            "ix_reviews_open",
            ["workspace_id", "id"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    # Not in batches: that would copy the tables.
    op.add_column("run_steps", sa.Column("jump", sa.Text(), nullable=True))
    op.add_column(
        "run_steps", sa.Column("is_reused", sa.Boolean(), server_default=sa.false(), nullable=False)
    )

    op.add_column("runs", sa.Column("reused", JsonText(), nullable=True))
    op.add_column("runs", sa.Column("wake_at", Instant(), nullable=True))
    op.create_index(
        "ix_runs_wake",
        "runs",
        ["wake_at"],
        unique=False,
        sqlite_where=sa.text("wake_at IS NOT NULL"),
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_runs_wake",
            sqlite_where=sa.text("wake_at IS NOT NULL"),
            postgresql_where=sa.text("wake_at IS NOT NULL"),
        )
        batch_op.drop_column("wake_at")
        batch_op.drop_column("reused")

    with op.batch_alter_table("run_steps", schema=None) as batch_op:
        batch_op.drop_column("is_reused")
        batch_op.drop_column("jump")

    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_reviews_open",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.drop_table("reviews")
