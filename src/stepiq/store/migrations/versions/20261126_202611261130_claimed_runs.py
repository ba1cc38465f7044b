"""Rename `runs.is_unproven` to what it means: whether a process has claimed the run and not given it back."""

from alembic import op

revision = "202611261130"
down_revision = "202611261003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE runs RENAME COLUMN is_unproven TO is_claimed")


def downgrade() -> None:
    op.execute("ALTER TABLE runs RENAME COLUMN is_claimed TO is_unproven")
