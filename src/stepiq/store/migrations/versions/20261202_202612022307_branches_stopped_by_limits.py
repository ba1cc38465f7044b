"""Count the branches that a limit stopped before a step, which has no row."""

import sqlalchemy as sa
from alembic import op

revision = "202612022307"
down_revision = "202612021832"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run_steps",
        sa.Column("stopped_branches", sa.Integer(), server_default="0", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("run_steps", "stopped_branches")
