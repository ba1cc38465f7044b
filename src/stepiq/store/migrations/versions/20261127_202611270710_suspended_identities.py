"""Suspend the identities of an account when its password is reset."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611270710"
down_revision = "202611270643"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identities", sa.Column("suspended_at", Instant(), nullable=True))


def downgrade() -> None:
    op.drop_column("identities", "suspended_at")
