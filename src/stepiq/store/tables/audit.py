"""The audit log: entries, and the last entry of each chain.

Neither table refers to others: entries outlive what they describe. The log of a workspace is erased with its data.
"""

import sqlalchemy as sa

from stepiq.store.tables.base import count, identity, metadata
from stepiq.store.types import Instant, JsonText

_UNSEALED = "sequence IS NULL"
_SEALED = "sealed_at IS NOT NULL"
_BY_KEY = "key_id IS NOT NULL"
_READ_BY_RUN = "action = 'secret.read' AND actor_kind = 'run'"

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    identity(),
    sa.Column("workspace_id", sa.Uuid()),  # null: the server's own log
    sa.Column("at", Instant(), nullable=False),
    sa.Column("actor_kind", sa.Text(), nullable=False),
    sa.Column("actor_id", sa.Uuid()),
    sa.Column("actor_name", sa.Text()),
    sa.Column("key_id", sa.Uuid()),  # the API key that the actor used
    sa.Column("key_name", sa.Text()),
    sa.Column("client", sa.Text()),  # address of the client
    sa.Column("action", sa.Text(), nullable=False),
    sa.Column("target_type", sa.Text(), nullable=False),
    sa.Column("target_id", sa.Text()),
    sa.Column("target_name", sa.Text()),
    sa.Column("before", JsonText()),
    sa.Column("after", JsonText()),
    # Set by sealing, within about a second: the place in the chain of the workspace, from 1, and the hash.
    sa.Column("sequence", sa.BigInteger()),
    sa.Column("hash", sa.Text()),
    sa.Column("sealed_at", Instant()),
    sa.CheckConstraint(
        "(sequence IS NULL) = (hash IS NULL) AND (sequence IS NULL) = (sealed_at IS NULL)",
        name="sealed_whole",
    ),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(None, "workspace_id", "action", "id"),
    sa.Index(None, "workspace_id", "sequence"),
    sa.Index(None, "action", "id"),
    sa.Index(None, "actor_id", "id"),
    sa.Index(None, "target_id", "id"),
    sa.Index(
        "ix_audit_entries_key_id_id",
        "key_id",
        "id",
        sqlite_where=sa.text(_BY_KEY),
        postgresql_where=sa.text(_BY_KEY),
    ),
    sa.Index(
        "ix_audit_entries_unsealed",
        "id",
        sqlite_where=sa.text(_UNSEALED),
        postgresql_where=sa.text(_UNSEALED),
    ),
    # For deleting the oldest entries.
    sa.Index(
        "ix_audit_entries_sealed",
        "sealed_at",
        "sequence",
        sqlite_where=sa.text(_SEALED),
        postgresql_where=sa.text(_SEALED),
    ),
    # A run reads its secrets each time a worker claims it. Only the first time is recorded.
    sa.Index(
        "uq_audit_entries_secret_read",
        "actor_id",
        "target_id",
        unique=True,
        sqlite_where=sa.text(_READ_BY_RUN),
        postgresql_where=sa.text(_READ_BY_RUN),
    ),
)

audit_chains = sa.Table(
    "audit_chains",
    metadata,
    identity(),  # the workspace's id; zeros: the server's own log
    count("sequence"),  # of the last sealed entry
    sa.Column("hash", sa.Text(), nullable=False),
    sa.Column("sealed_at", Instant(), nullable=False),
    count("deleted_sequence"),  # of the last entry that retention has deleted
    sa.Column("deleted_hash", sa.Text()),
)
