"""Counters of quotas. Versions that are stored already are counted."""

import sqlalchemy as sa
from alembic import op

revision = "202611261148"
down_revision = "202611261130"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quota_counts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("value >= 0", name=op.f("ck_quota_counts_value_counted")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_quota_counts_workspace_id_workspaces"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "name", name="pk_quota_counts"),
    )
    op.create_index("ix_api_keys_not_revoked", "api_keys", ["workspace_id", "revoked_at"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    size = "length(CAST(source AS BLOB))" if is_sqlite else "octet_length(source)"
    for name, value in (("versions", "count(*)"), ("definition_bytes", f"sum({size})")):
        op.execute(
            "INSERT INTO quota_counts (workspace_id, name, day, value)"  # noqa: S608 - constants
            f" SELECT workspace_id, '{name}', '', {value} FROM pipeline_versions GROUP BY workspace_id"
        )


def downgrade() -> None:
    op.drop_index("ix_api_keys_not_revoked", "api_keys")
    op.drop_table("quota_counts")
