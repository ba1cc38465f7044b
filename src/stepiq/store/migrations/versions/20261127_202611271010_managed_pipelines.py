"""Record which pipelines are deployed from a repository, and from where."""

import sqlalchemy as sa
from alembic import op

revision = "202611271010"
down_revision = "202611270925"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pipelines", sa.Column("managed_by", sa.Text(), nullable=True))
    op.add_column("pipelines", sa.Column("managed_source", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("pipelines", "managed_source")
    op.drop_column("pipelines", "managed_by")
