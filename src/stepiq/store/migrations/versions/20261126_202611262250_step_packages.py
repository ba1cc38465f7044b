"""Add the packages of the step types that a version uses. Null in existing rows."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import JsonText

revision = "202611262250"
down_revision = "202611262238"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pipeline_versions", sa.Column("step_packages", JsonText(), nullable=True))


def downgrade() -> None:
    op.drop_column("pipeline_versions", "step_packages")
