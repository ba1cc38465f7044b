"""Names of users and workspaces in a form that is searched without regard to case."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.search import fold

revision = "202611292100"
down_revision = "202611291330"
branch_labels = None
depends_on = None

_TABLES = ("users", "workspaces")


def upgrade() -> None:
    for name in _TABLES:
        op.add_column(name, sa.Column("name_folded", sa.Text(), nullable=True))
        _fill(name)


def downgrade() -> None:
    for name in _TABLES:
        op.drop_column(name, "name_folded")


def _fill(name: str) -> None:
    table = sa.table(
        name,
        sa.column("id", sa.Uuid()),
        sa.column("name", sa.Text()),
        sa.column("name_folded", sa.Text()),
    )
    connection = op.get_bind()
    rows = connection.execute(sa.select(table.c.id, table.c.name)).all()
    if rows:
        connection.execute(
            table.update()
            .where(table.c.id == sa.bindparam("row_id"))
            .values(name_folded=sa.bindparam("folded")),
            [{"row_id": row.id, "folded": fold(row.name)} for row in rows],
        )
