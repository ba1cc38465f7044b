"""Let workspaces have several members with roles, invitations of their own, and service keys.

Each account is the owner of the workspace that it had. All new columns have a default or are nullable, so that processes of
the release before can work until they are replaced.
"""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611270634"
down_revision = "202611270620"
branch_labels = None
depends_on = None

_ROLES = "'viewer', 'operator', 'editor', 'admin', 'owner'"


def upgrade() -> None:
    op.add_column("memberships", sa.Column("joined_at", Instant(), nullable=True))
    op.execute(
        "UPDATE memberships SET joined_at ="
        " (SELECT created_at FROM workspaces WHERE workspaces.id = memberships.workspace_id)"
    )
    with op.batch_alter_table("memberships") as batch:
        batch.add_column(sa.Column("invited_by", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("removed_at", Instant(), nullable=True))
        batch.create_check_constraint(op.f("ck_memberships_role_known"), f"role IN ({_ROLES})")
        batch.drop_index("ix_memberships_user_id")
        batch.create_index("ix_memberships_user_id_workspace_id", ["user_id", "workspace_id"])
    with op.batch_alter_table("api_keys") as batch:
        batch.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="personal"))
        batch.create_check_constraint(
            op.f("ck_api_keys_kind_known"), "kind IN ('personal', 'service')"
        )
    with op.batch_alter_table("invitations") as batch:
        batch.add_column(sa.Column("workspace_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("role", sa.Text(), nullable=True))
        batch.add_column(sa.Column("invited_by", sa.Uuid(), nullable=True))
        batch.create_foreign_key(
            "fk_invitations_workspace_id_workspaces", "workspaces", ["workspace_id"], ["id"]
        )
        batch.create_check_constraint(op.f("ck_invitations_role_known"), f"role IN ({_ROLES})")
        batch.create_check_constraint(
            op.f("ck_invitations_role_in_workspace"), "(workspace_id IS NULL) = (role IS NULL)"
        )
        batch.create_index("ix_invitations_workspace_id_id", ["workspace_id", "id"])


def downgrade() -> None:
    op.execute("DELETE FROM invitations WHERE workspace_id IS NOT NULL")
    with op.batch_alter_table("invitations") as batch:
        batch.drop_index("ix_invitations_workspace_id_id")
        batch.drop_constraint(op.f("ck_invitations_role_in_workspace"), type_="check")
        batch.drop_constraint(op.f("ck_invitations_role_known"), type_="check")
        batch.drop_constraint(op.f("fk_invitations_workspace_id_workspaces"), type_="foreignkey")
        for column in ("invited_by", "role", "workspace_id"):
            batch.drop_column(column)
    op.execute("DELETE FROM api_keys WHERE kind = 'service'")
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_constraint(op.f("ck_api_keys_kind_known"), type_="check")
        batch.drop_column("kind")
    op.execute("DELETE FROM memberships WHERE removed_at IS NOT NULL")
    with op.batch_alter_table("memberships") as batch:
        batch.drop_index("ix_memberships_user_id_workspace_id")
        batch.create_index("ix_memberships_user_id", ["user_id"])
        batch.drop_constraint(op.f("ck_memberships_role_known"), type_="check")
        for column in ("removed_at", "invited_by", "joined_at"):
            batch.drop_column(column)
