"""Recipients of email who are not members, and emails that wait until they confirm."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611261220"
down_revision = "202611261210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recipients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("confirmed_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_recipients_workspace_id_workspaces"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_recipients"),
        sa.UniqueConstraint("workspace_id", "email", name="uq_recipients_workspace_id_email"),
    )
    op.create_index(
        "ix_recipients_workspace_id_asked_at", "recipients", ["workspace_id", "asked_at"]
    )
    _partial_index("ix_recipients_unconfirmed", "recipients", ["asked_at"], "confirmed_at IS NULL")
    op.create_table(
        "asked_addresses",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("refused_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("email", name="pk_asked_addresses"),
    )
    _partial_index("ix_asked_addresses_day", "asked_addresses", ["day"], "refused_at IS NULL")
    op.add_column("deliveries", sa.Column("recipient_id", sa.Uuid(), nullable=True))
    _partial_index(
        "ix_deliveries_held", "deliveries", ["recipient_id", "id"], "recipient_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_held", "deliveries")
    op.drop_column("deliveries", "recipient_id")
    op.drop_table("asked_addresses")
    op.drop_table("recipients")


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
