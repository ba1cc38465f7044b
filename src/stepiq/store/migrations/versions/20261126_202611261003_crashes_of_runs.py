"""How often a run has lost its worker without progress."""

import sqlalchemy as sa
from alembic import op

revision = "202611261003"
down_revision = "202611260958"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("crashes", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "runs", sa.Column("is_unproven", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("runs", "is_unproven")
    op.drop_column("runs", "crashes")
