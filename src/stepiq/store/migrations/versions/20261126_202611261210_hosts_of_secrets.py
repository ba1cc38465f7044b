"""Hosts that a secret may be sent to."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import JsonText

revision = "202611261210"
down_revision = "202611261148"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("secrets", sa.Column("hosts", JsonText(), nullable=True))


def downgrade() -> None:
    op.drop_column("secrets", "hosts")
