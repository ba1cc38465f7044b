"""Add an index that finds the runs of a version, which prevent its deletion."""

from alembic import op

revision = "202611261546"
down_revision = "202611261520"
branch_labels = None
depends_on = None

_INDEX = "ix_runs_pipeline_id_pipeline_version"


def upgrade() -> None:
    op.create_index(_INDEX, "runs", ["pipeline_id", "pipeline_version"])


def downgrade() -> None:
    op.drop_index(_INDEX, "runs")
