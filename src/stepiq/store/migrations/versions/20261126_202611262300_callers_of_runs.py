"""Add what started a run, the code of its error, and indexes for lists of runs and steps.

Runs that an earlier version accepts or ends during an upgrade have no caller or no code, so filters do not find them.
"""

import sqlalchemy as sa
from alembic import op

revision = "202611262300"
down_revision = "202611262250"
branch_labels = None
depends_on = None

_VERSIONS = "ix_runs_pipeline_id_pipeline_version"
_FILTERS = ("error_code", "caller_id")


def upgrade() -> None:
    op.add_column("runs", sa.Column("caller_type", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("caller_id", sa.Uuid(), nullable=True))
    op.add_column("runs", sa.Column("error_code", sa.Text(), nullable=True))
    code = (
        "json_extract(error, '$.code')"
        if op.get_bind().dialect.name == "sqlite"
        else "CAST(error AS json) ->> 'code'"
    )
    op.execute(f"UPDATE runs SET error_code = {code} WHERE status = 'failed'")  # noqa: S608 - constants
    op.execute(
        "UPDATE runs SET caller_type = 'schedule', caller_id = schedule_id "
        "WHERE schedule_id IS NOT NULL AND trigger_type = 'cron'"
    )
    for column in _FILTERS:
        op.create_index(
            f"ix_runs_workspace_id_{column}_id",
            "runs",
            ["workspace_id", column, "id"],
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index(f"{_VERSIONS}_id", "runs", ["pipeline_id", "pipeline_version", "id"])
    op.drop_index(_VERSIONS, "runs")
    op.create_index("ix_run_steps_run_id_ordinal", "run_steps", ["run_id", "ordinal"])


def downgrade() -> None:
    op.drop_index("ix_run_steps_run_id_ordinal", "run_steps")
    op.create_index(_VERSIONS, "runs", ["pipeline_id", "pipeline_version"])
    op.drop_index(f"{_VERSIONS}_id", "runs")
    for column in _FILTERS:
        op.drop_index(f"ix_runs_workspace_id_{column}_id", "runs")
    for column in ("error_code", "caller_id", "caller_type"):
        op.drop_column("runs", column)
