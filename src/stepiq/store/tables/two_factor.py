"""The second factor of accounts: secrets of authenticator apps, and recovery codes."""

import sqlalchemy as sa

from stepiq.store.tables.base import identity, metadata
from stepiq.store.types import Instant

totp_secrets = sa.Table(
    "totp_secrets",
    metadata,
    identity(),  # bound into the ciphertext: each new secret of an account has another one
    sa.Column(
        "user_id",
        sa.Uuid(),
        sa.ForeignKey("users.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    sa.Column("key_id", sa.Text(), nullable=False),  # master key that wraps the data key
    sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
    sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
    # The newest time step whose code was accepted. Codes of this step and of earlier ones are refused.
    sa.Column("last_step", sa.BigInteger(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("confirmed_at", Instant()),  # null: set up, but not turned on
    sa.Index(None, "key_id", "id"),
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column(
        "user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # SHA-256 of account and code
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("used_at", Instant()),
)
