"""Find the texts of drafts that count for quotas."""

import sqlalchemy as sa
from alembic import op

revision = "202611291330"
down_revision = "202611291320"
branch_labels = None
depends_on = None

_INDEX = "ix_pipeline_versions_counted"


def upgrade() -> None:
    op.create_index(
        _INDEX,
        "pipeline_versions",
        ["workspace_id", "counted_bytes"],
        sqlite_where=sa.text("counted_bytes IS NOT NULL"),
        postgresql_where=sa.text("counted_bytes IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="pipeline_versions")
