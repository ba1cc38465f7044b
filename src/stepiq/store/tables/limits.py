"""What processes count together on PostgreSQL. On SQLite, the only process counts in memory."""

import sqlalchemy as sa

from stepiq.store.tables.base import metadata
from stepiq.store.types import Instant

counts = sa.Table(
    "counts",
    metadata,
    sa.Column("key", sa.LargeBinary(16), primary_key=True),  # digest of the limit's name and key
    sa.Column("started_at", Instant(), nullable=False),  # of the period
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Index(None, "started_at"),
)
