"""Indexes for histories that grow and are thrown away."""

import sqlalchemy as sa
from alembic import op

revision = "202611242255"
down_revision = "202611241900"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for owner in ("workspace_id", "pipeline_id"):
        columns = [owner, "trigger_type", "status", "id"]
        op.create_index(f"ix_runs_{owner}_trigger_type_status_id", "runs", columns)
        op.drop_index(f"ix_runs_{owner}_status_id", "runs")
    op.drop_index("ix_runs_workspace_id_trigger_type_id", "runs")
    _create_partial("ix_runs_ended", "runs", "completed_at", "completed_at IS NOT NULL")

    op.create_index(
        "ix_deliveries_pipeline_id_status_id", "deliveries", ["pipeline_id", "status", "id"]
    )
    op.drop_index("ix_deliveries_failed", "deliveries")
    op.drop_index("ix_deliveries_workspace_id_status_id", "deliveries")
    _create_partial("ix_deliveries_under_way", "deliveries", "workspace_id", "completed_at IS NULL")


def downgrade() -> None:
    op.drop_index("ix_deliveries_under_way", "deliveries")
    op.create_index(
        "ix_deliveries_workspace_id_status_id", "deliveries", ["workspace_id", "status", "id"]
    )
    failed = sa.text("status = 'failed'")
    op.create_index(
        "ix_deliveries_failed",
        "deliveries",
        ["pipeline_id", "id"],
        sqlite_where=failed,
        postgresql_where=failed,
    )
    op.drop_index("ix_deliveries_pipeline_id_status_id", "deliveries")

    op.drop_index("ix_runs_ended", "runs")
    op.create_index(
        "ix_runs_workspace_id_trigger_type_id", "runs", ["workspace_id", "trigger_type", "id"]
    )
    for owner in ("workspace_id", "pipeline_id"):
        op.create_index(f"ix_runs_{owner}_status_id", "runs", [owner, "status", "id"])
        op.drop_index(f"ix_runs_{owner}_trigger_type_status_id", "runs")


def _create_partial(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
