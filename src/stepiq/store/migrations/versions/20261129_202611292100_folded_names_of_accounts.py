"""Names of users and workspaces in a form that is searched without regard to case. The next revision fills them."""

import sqlalchemy as sa
from alembic import op

revision = "202611292100"
down_revision = "202611291330"
branch_labels = None
depends_on = None

_TABLES = ("users", "workspaces")


def upgrade() -> None:
    for name in _TABLES:
        op.add_column(name, sa.Column("name_folded", sa.Text(), nullable=True))


def downgrade() -> None:
    for name in _TABLES:
        op.drop_column(name, "name_folded")
