"""Identities at providers of OpenID Connect, the roles that they give, sign-ins that have returned, and the end of sessions."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611270640"
down_revision = "202611270634"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("gives_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_used_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_identities_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.create_table(
        "identity_roles",
        sa.Column("identity_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["identities.id"],
            name=op.f("fk_identity_roles_identity_id_identities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_identity_roles_workspace_id_workspaces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("identity_id", "workspace_id", name=op.f("pk_identity_roles")),
    )
    op.create_index(
        op.f("ix_identity_roles_workspace_id"), "identity_roles", ["workspace_id"], unique=False
    )
    op.create_table(
        "spent_sign_ins",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_spent_sign_ins")),
    )
    op.create_index(
        op.f("ix_spent_sign_ins_expires_at"), "spent_sign_ins", ["expires_at"], unique=False
    )
    op.add_column("sessions", sa.Column("ends_at", Instant(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "ends_at")
    op.drop_index(op.f("ix_spent_sign_ins_expires_at"), table_name="spent_sign_ins")
    op.drop_table("spent_sign_ins")
    op.drop_index(op.f("ix_identity_roles_workspace_id"), table_name="identity_roles")
    op.drop_table("identity_roles")
    op.drop_index(op.f("ix_identities_user_id"), table_name="identities")
    op.drop_table("identities")
