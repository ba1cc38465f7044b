"""Add `known_clients`, the clients that have proved an account."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611261251"
down_revision = "202611261220"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_clients",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("last_seen_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_known_clients_user_id_users")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_known_clients")),
    )
    op.create_index(op.f("ix_known_clients_last_seen_at"), "known_clients", ["last_seen_at"])
    op.create_index(
        op.f("ix_known_clients_user_id_last_seen_at"),
        "known_clients",
        ["user_id", "last_seen_at"],
    )


def downgrade() -> None:
    op.drop_table("known_clients")
