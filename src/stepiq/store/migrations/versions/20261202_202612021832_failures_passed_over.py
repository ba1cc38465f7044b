"""Count the failures that completed runs passed over."""

import sqlalchemy as sa
from alembic import op

revision = "202612021832"
down_revision = "202611301345"
branch_labels = None
depends_on = None

_INDEX = "ix_runs_with_failures"


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("failed_steps", sa.Integer(), server_default="0", nullable=False)
    )
    op.create_index(
        _INDEX,
        "runs",
        ["workspace_id", "status", "id"],
        sqlite_where=sa.text("failed_steps > 0"),
        postgresql_where=sa.text("failed_steps > 0"),
    )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="runs")
    op.drop_column("runs", "failed_steps")
