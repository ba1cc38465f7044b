"""Add `usage_caller_days`. Usage of runs that earlier versions accepted is not in it."""

import sqlalchemy as sa
from alembic import op

revision = "202611262350"
down_revision = "202611262325"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_caller_days",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("runs", "input_tokens", "output_tokens", "cost_usd_micros")
        ),
        sa.Column("cost_complete", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_usage_caller_days_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "day", "caller_id", name=op.f("pk_usage_caller_days")
        ),
    )


def downgrade() -> None:
    op.drop_table("usage_caller_days")
