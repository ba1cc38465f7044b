"""Add the audit log: `audit_entries` and `audit_chains`."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant, JsonText

revision = "202611270540"
down_revision = "202611270230"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_audit_entries_workspace_id_id", ["workspace_id", "id"]),
    ("ix_audit_entries_workspace_id_action_id", ["workspace_id", "action", "id"]),
    ("ix_audit_entries_workspace_id_sequence", ["workspace_id", "sequence"]),
    ("ix_audit_entries_action_id", ["action", "id"]),
    ("ix_audit_entries_actor_id_id", ["actor_id", "id"]),
    ("ix_audit_entries_target_id_id", ["target_id", "id"]),
)
_PARTIAL_INDEXES = (
    ("ix_audit_entries_key_id_id", ["key_id", "id"], "key_id IS NOT NULL"),
    ("ix_audit_entries_unsealed", ["id"], "sequence IS NULL"),
    ("ix_audit_entries_sealed", ["sealed_at", "sequence"], "sealed_at IS NOT NULL"),
    (
        "uq_audit_entries_secret_read",
        ["actor_id", "target_id"],
        "action = 'secret.read' AND actor_kind = 'run'",
    ),
)


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("key_name", sa.Text(), nullable=True),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_type", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("target_name", sa.Text(), nullable=True),
        sa.Column("before", JsonText(), nullable=True),
        sa.Column("after", JsonText(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.Column("sealed_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "(sequence IS NULL) = (hash IS NULL) AND (sequence IS NULL) = (sealed_at IS NULL)",
            name=op.f("ck_audit_entries_sealed_whole"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    for name, columns in _INDEXES:
        op.create_index(name, "audit_entries", columns)
    for name, columns, condition in _PARTIAL_INDEXES:
        op.create_index(
            name,
            "audit_entries",
            columns,
            unique=name.startswith("uq_"),
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "audit_chains",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("sealed_at", Instant(), nullable=False),
        sa.Column("deleted_sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deleted_hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_chains")),
    )


def downgrade() -> None:
    op.drop_table("audit_chains")
    op.drop_table("audit_entries")
