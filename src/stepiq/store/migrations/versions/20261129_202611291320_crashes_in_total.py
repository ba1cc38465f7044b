"""How often a run has lost its worker in total."""

import sqlalchemy as sa
from alembic import op

revision = "202611291320"
down_revision = "202611291015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("crashes_in_total", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("runs", "crashes_in_total")
