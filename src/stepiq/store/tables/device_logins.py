"""Logins of programs that show a code, which a person confirms on a page of the server (RFC 8628)."""

import sqlalchemy as sa

from stepiq.store.states import DeviceLoginStatus
from stepiq.store.tables.base import identity, metadata
from stepiq.store.types import Instant, one_of

device_logins = sa.Table(
    "device_logins",
    metadata,
    identity(),
    sa.Column("device_digest", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    # Keyed: the code is so short that all codes could be tried against a plain digest.
    sa.Column("user_digest", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("host_name", sa.Text()),  # as the program states it
    sa.Column("client", sa.Text(), nullable=False),  # its address
    sa.Column("interval_seconds", sa.Integer(), nullable=False),
    sa.Column("polled_at", Instant()),
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id")),
    sa.Column("session_id", sa.Uuid()),  # that approved it. If it ends, the program gets no key
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    one_of("status", DeviceLoginStatus),
    sa.CheckConstraint(
        "(status IN ('approved', 'used')) = (workspace_id IS NOT NULL AND session_id IS NOT NULL)",
        name="approved_by_session",
    ),
    sa.Index(None, "expires_at"),
    sa.Index(None, "workspace_id"),
)
