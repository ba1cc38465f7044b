"""Pause pipelines: since when, by whom and why."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611270620"
down_revision = "202611270540"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pipelines", sa.Column("paused_at", Instant(), nullable=True))
    op.add_column("pipelines", sa.Column("paused_by", sa.Uuid(), nullable=True))
    op.add_column("pipelines", sa.Column("pause_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("pipelines", "pause_reason")
    op.drop_column("pipelines", "paused_by")
    op.drop_column("pipelines", "paused_at")
