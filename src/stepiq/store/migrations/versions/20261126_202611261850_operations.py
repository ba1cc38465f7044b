"""Add `run_operations` and `operation_payloads`. Existing rows do not change, so earlier versions can still work."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant, JsonText

revision = "202611261850"
down_revision = "202611261546"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_operations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_row_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("starts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("request", JsonText(), nullable=True),
        sa.Column("request_is_large", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("response", JsonText(), nullable=True),
        sa.Column("response_is_large", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("error", JsonText(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("paid_by", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_estimated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("cost", JsonText(), nullable=True),
        sa.Column("queued_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("first_piece_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "status IN ('running', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_run_operations_status_known"),
        ),
        sa.CheckConstraint(
            "(status <> 'running') = (ended_at IS NOT NULL)",
            name=op.f("ck_run_operations_ends_when_final"),
        ),
        sa.CheckConstraint(
            "status <> 'failed' OR error IS NOT NULL",
            name=op.f("ck_run_operations_failed_has_error"),
        ),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_run_operations_attempt_counted")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_run_operations_number_counted")),
        sa.ForeignKeyConstraint(
            ["step_row_id"],
            ["run_steps.id"],
            name=op.f("fk_run_operations_step_row_id_run_steps"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_operations")),
        sa.UniqueConstraint(
            "step_row_id",
            "attempt",
            "number",
            name=op.f("uq_run_operations_step_row_id_attempt_number"),
        ),
    )
    op.create_table(
        "operation_payloads",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("value", JsonText(), nullable=False),
        sa.CheckConstraint(
            "part IN ('request', 'response')", name=op.f("ck_operation_payloads_part_known")
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["run_operations.id"],
            name=op.f("fk_operation_payloads_operation_id_run_operations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("operation_id", "part", name=op.f("pk_operation_payloads")),
    )


def downgrade() -> None:
    op.drop_table("operation_payloads")
    op.drop_table("run_operations")
