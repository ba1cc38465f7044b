"""Drafts of editors, runs of drafts and of single steps, and the use of secrets."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant, JsonText

revision = "202611262230"
down_revision = "202611261850"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source_format", sa.Text(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Uuid(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "source_format IN ('json', 'yaml')", name=op.f("ck_drafts_source_format_known")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_drafts_user_id_users")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_drafts_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", "user_id", name=op.f("pk_drafts")),
    )
    op.create_index(
        op.f("ix_drafts_workspace_id_user_id_revision"),
        "drafts",
        ["workspace_id", "user_id", "revision"],
    )
    op.add_column(
        "pipelines",
        sa.Column("is_unsaved", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("pipeline_versions", sa.Column("secret_names", JsonText(), nullable=True))
    op.add_column("runs", sa.Column("only_step", sa.Text(), nullable=True))
    op.add_column("secrets", sa.Column("last_used_at", Instant(), nullable=True))


def downgrade() -> None:
    op.drop_column("secrets", "last_used_at")
    op.drop_column("runs", "only_step")
    op.drop_column("pipeline_versions", "secret_names")
    op.drop_column("pipelines", "is_unsaved")
    op.drop_table("drafts")
