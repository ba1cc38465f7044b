"""Index the schedules of a workspace for their list."""

from alembic import op

revision = "202611262351"
down_revision = "202611262350"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_schedules_workspace_id_id", "schedules", ["workspace_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_schedules_workspace_id_id", "schedules")
