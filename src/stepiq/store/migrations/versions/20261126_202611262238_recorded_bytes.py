"""Add the number of bytes that each operation records, and which of its payloads are omitted because of the limit."""

import sqlalchemy as sa
from alembic import op

revision = "202611262238"
down_revision = "202611262230"
branch_labels = None
depends_on = None

_FLAGS = ("request_is_omitted", "response_is_omitted")


def upgrade() -> None:
    for name in _FLAGS:
        column = sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        op.add_column("run_operations", column)
    op.add_column(
        "run_operations",
        sa.Column("recorded_bytes", sa.BigInteger(), server_default="0", nullable=False),
    )


def downgrade() -> None:
    for name in ("recorded_bytes", *_FLAGS):
        op.drop_column("run_operations", name)
