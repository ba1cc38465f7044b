"""Record the requests of webhook attempts: method, URL and headers with secrets masked, and the hash of the body."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.types import JsonText

revision = "202611270230"
down_revision = "202611262351"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery_attempts", sa.Column("request", JsonText(), nullable=True))


def downgrade() -> None:
    op.drop_column("delivery_attempts", "request")
