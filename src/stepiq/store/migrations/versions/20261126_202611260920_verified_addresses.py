"""When the email address of an account was verified. The addresses of all existing accounts count as verified."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611260920"
down_revision = "202611260422"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("email_verified_at", Instant(), nullable=True))
    op.execute("UPDATE users SET email_verified_at = created_at")


def downgrade() -> None:
    op.drop_column("users", "email_verified_at")
