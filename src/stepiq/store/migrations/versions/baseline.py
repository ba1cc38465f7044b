"""The schema of 0.1.0. `stepiq.store.migrate` creates it from `baseline.sql` in an empty database, without Alembic."""

revision = "202612070210"
down_revision = None


def upgrade() -> None:
    """Do nothing: only a database that has this schema gets here."""
