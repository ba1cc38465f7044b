"""Names of pipelines in a form that is searched without regard to case."""

import sqlalchemy as sa
from alembic import op

from stepiq.store.search import fold

revision = "202611260422"
down_revision = "202611251019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pipelines", sa.Column("name_folded", sa.Text(), nullable=True))
    pipelines = sa.table(
        "pipelines",
        sa.column("id", sa.Uuid()),
        sa.column("name", sa.Text()),
        sa.column("name_folded", sa.Text()),
    )
    connection = op.get_bind()
    rows = connection.execute(sa.select(pipelines.c.id, pipelines.c.name)).all()
    if rows:
        connection.execute(
            pipelines.update()
            .where(pipelines.c.id == sa.bindparam("pipeline_id"))
            .values(name_folded=sa.bindparam("folded")),
            [{"pipeline_id": row.id, "folded": fold(row.name)} for row in rows],
        )


def downgrade() -> None:
    op.drop_column("pipelines", "name_folded")
