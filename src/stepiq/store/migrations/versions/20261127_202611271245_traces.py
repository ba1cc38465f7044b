"""Record which request started a run, the outcome of calls, and the runs whose traces must be exported."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611271245"
down_revision = "202611271010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("traceparent", sa.Text(), nullable=True))
    op.add_column("run_operations", sa.Column("outcome", sa.Text(), nullable=True))
    op.add_column("run_operations", sa.Column("reported_model", sa.Text(), nullable=True))
    op.create_table(
        "trace_exports",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
            name=op.f("fk_trace_exports_run_id_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_trace_exports")),
    )
    op.create_index(op.f("ix_trace_exports_due_at"), "trace_exports", ["due_at"])


def downgrade() -> None:
    op.drop_table("trace_exports")
    op.drop_column("run_operations", "reported_model")
    op.drop_column("run_operations", "outcome")
    op.drop_column("runs", "traceparent")
