"""Keep the lifetime of rolled API keys."""

import sqlalchemy as sa
from alembic import op

revision = "202611301340"
down_revision = "202611292110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("lifetime_before_roll", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("api_keys", "lifetime_before_roll")
