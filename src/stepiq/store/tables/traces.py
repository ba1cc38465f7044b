"""The export of traces."""

import sqlalchemy as sa

from stepiq.store.tables.base import metadata
from stepiq.store.types import Instant

# Ended runs whose traces must be exported. A row is deleted once its trace is sent, or cannot be sent.
trace_exports = sa.Table(
    "trace_exports",
    metadata,
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    # When a process may take it. A process that takes it moves this time, so that no other takes it meanwhile.
    sa.Column("due_at", Instant(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Index(None, "due_at"),
)
