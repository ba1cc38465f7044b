"""Record when users create workspaces, and the bytes of drafts that were run which count for quotas."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import JsonText

revision = "202611291015"
down_revision = "202611271245"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("workspaces_created", JsonText(), nullable=True))
    op.add_column("pipeline_versions", sa.Column("counted_bytes", sa.Integer(), nullable=True))


def downgrade() -> None:
    # The version before deletes these rows without changing the counters.
    for name, value in (
        ("versions", "count(*)"),
        ("definition_bytes", "coalesce(sum(counted_bytes), 0)"),
    ):
        op.execute(
            "UPDATE quota_counts SET value = value - (SELECT "  # noqa: S608 - constants
            f"{value} FROM pipeline_versions WHERE counted_bytes IS NOT NULL"
            f" AND pipeline_versions.workspace_id = quota_counts.workspace_id) WHERE name = '{name}'"
        )
    op.drop_column("pipeline_versions", "counted_bytes")
    op.drop_column("users", "workspaces_created")
