"""When the email that asks a recipient was sent. Recipients are kept, because their links can refuse at any time."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import Instant

revision = "202611261520"
down_revision = "202611261251"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipients", sa.Column("sent_at", Instant(), nullable=True))
    op.add_column("recipients", sa.Column("retry_at", Instant(), nullable=True))
    op.execute("UPDATE recipients SET sent_at = asked_at")
    op.drop_index("ix_recipients_unconfirmed", "recipients")


def downgrade() -> None:
    unconfirmed = sa.text("confirmed_at IS NULL")
    op.create_index(
        "ix_recipients_unconfirmed",
        "recipients",
        ["asked_at"],
        sqlite_where=unconfirmed,
        postgresql_where=unconfirmed,
    )
    op.drop_column("recipients", "retry_at")
    op.drop_column("recipients", "sent_at")
