"""Add logins of programs with a code."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611270915"
down_revision = "202611270830"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_logins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("host_name", sa.Text(), nullable=True),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("polled_at", Instant(), nullable=True),
        sa.Column("workspace_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "(status IN ('approved', 'used')) = (workspace_id IS NOT NULL AND session_id IS NOT NULL)",
            name=op.f("ck_device_logins_approved_by_session"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'denied', 'used')",
            name=op.f("ck_device_logins_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_device_logins_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_logins")),
        sa.UniqueConstraint("device_digest", name=op.f("uq_device_logins_device_digest")),
        sa.UniqueConstraint("user_digest", name=op.f("uq_device_logins_user_digest")),
    )
    for column in ("expires_at", "workspace_id"):
        op.create_index(op.f(f"ix_device_logins_{column}"), "device_logins", [column])


def downgrade() -> None:
    op.drop_table("device_logins")
