"""Limits of single workspaces, and deleted users and workspaces."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant, JsonText

revision = "202611270715"
down_revision = "202611270710"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("deleted_at", Instant(), nullable=True))
    op.add_column("workspaces", sa.Column("limit_overrides", JsonText(), nullable=True))
    op.add_column("workspaces", sa.Column("deleted_at", Instant(), nullable=True))
    is_deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index(
        "ix_workspaces_deleted",
        "workspaces",
        ["deleted_at"],
        sqlite_where=is_deleted,
        postgresql_where=is_deleted,
    )


def downgrade() -> None:
    op.drop_index("ix_workspaces_deleted", table_name="workspaces")
    op.drop_column("workspaces", "deleted_at")
    op.drop_column("workspaces", "limit_overrides")
    op.drop_column("users", "deleted_at")
