"""Record where sessions were opened, and when they were last used."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611270643"
down_revision = "202611270642"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("last_used_at", Instant(), nullable=True))
    op.add_column("sessions", sa.Column("client", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("device", sa.Text(), nullable=True))


def downgrade() -> None:
    for column in ("device", "client", "last_used_at"):
        op.drop_column("sessions", column)
