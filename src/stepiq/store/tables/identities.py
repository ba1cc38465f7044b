"""Identities of people at providers of OpenID Connect, and the memberships that they give."""

import sqlalchemy as sa

from stepiq.store.tables.base import identity, metadata
from stepiq.store.types import Instant

identities = sa.Table(
    "identities",
    metadata,
    identity(),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.Text(), nullable=False),  # its name in the settings
    sa.Column("issuer", sa.Text(), nullable=False),
    sa.Column("subject", sa.Text(), nullable=False),  # the person's id at the issuer
    sa.Column("email", sa.Text()),  # as the provider last sent it
    # Whether a group of the provider makes the person an administrator of the server.
    sa.Column("gives_admin", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("last_used_at", Instant(), nullable=False),
    sa.Column("suspended_at", Instant()),  # by a reset of the password, until it is connected again
    sa.UniqueConstraint("issuer", "subject"),
    sa.Index(None, "user_id"),
)

# Memberships that an identity gives. At each sign-in, they are compared with the groups of the person.
identity_roles = sa.Table(
    "identity_roles",
    metadata,
    sa.Column(
        "identity_id",
        sa.Uuid(),
        sa.ForeignKey("identities.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column(
        "workspace_id",
        sa.Uuid(),
        sa.ForeignKey("workspaces.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("role", sa.Text(), nullable=False),
    sa.Index(None, "workspace_id"),
)

# Sign-ins that have returned from the provider, so that none returns twice.
spent_sign_ins = sa.Table(
    "spent_sign_ins",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # SHA-256
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Index(None, "expires_at"),
)
