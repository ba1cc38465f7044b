"""Fill the folded names of users and workspaces. Only rows are locked: other programs read the tables meanwhile."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.search import fold

revision = "202611292110"
down_revision = "202611292100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("users", "workspaces"):
        _fill(name)


def downgrade() -> None:
    pass


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
            # Another process may have changed the name meanwhile.
            .where(table.c.id == sa.bindparam("row_id"), table.c.name == sa.bindparam("name_read"))
            .values(name_folded=sa.bindparam("folded")),
            [{"row_id": row.id, "name_read": row.name, "folded": fold(row.name)} for row in rows],
        )
