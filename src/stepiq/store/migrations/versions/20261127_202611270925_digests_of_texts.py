"""Store the SHA-256 of the text of each version. Earlier versions have none: it is computed when they are read."""

import sqlalchemy as sa
from alembic import op

revision = "202611270925"
down_revision = "202611270915"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "pipeline_versions", sa.Column("source_sha256", sa.LargeBinary(32), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("pipeline_versions", "source_sha256")
