"""Credits that are reserved before model calls, and whose key pays for them."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import JsonText

revision = "202611260958"
down_revision = "202611260920"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Both databases add a column with its constraint in place; Alembic would copy the table on SQLite.
    op.execute(
        "ALTER TABLE workspaces ADD COLUMN credit_reserved BIGINT DEFAULT '0' NOT NULL"
        " CONSTRAINT ck_workspaces_credit_reserved_counted CHECK (credit_reserved >= 0)"
    )
    op.add_column("runs", sa.Column("own_keys", JsonText(), nullable=True))
    op.add_column(
        "run_steps",
        sa.Column("reserved_tokens", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.add_column("run_steps", sa.Column("paid_by", sa.Text(), nullable=True))
    reserved = sa.text("reserved_tokens > 0")
    op.create_index(
        "ix_run_steps_reserved",
        "run_steps",
        ["run_id"],
        sqlite_where=reserved,
        postgresql_where=reserved,
    )


def downgrade() -> None:
    op.drop_index("ix_run_steps_reserved", "run_steps")
    op.drop_column("run_steps", "paid_by")
    op.drop_column("run_steps", "reserved_tokens")
    op.drop_column("runs", "own_keys")
    op.drop_column("workspaces", "credit_reserved")
