"""Users, workspaces and credentials."""

import sqlalchemy as sa

from stepiq.store.states import DeviceLoginStatus, KeyKind, Role
from stepiq.store.tables.base import count, identity, metadata, name_folded, owner
from stepiq.store.types import Instant, JsonText, one_of

users = sa.Table(
    "users",
    metadata,
    identity(),
    sa.Column("email", sa.Text(), nullable=False, unique=True),  # lower case
    sa.Column("email_verified_at", Instant()),
    sa.Column("name", sa.Text(), nullable=False),
    name_folded(),
    sa.Column("password_hash", sa.Text(), nullable=False),
    sa.Column("is_admin", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("disabled_at", Instant()),
    # Set: a deleted user, without personal data. The row remains, because others refer to it.
    sa.Column("deleted_at", Instant()),
    sa.Column("created_at", Instant(), nullable=False),
    # When the user created workspaces lately, deleted ones included: a list of ISO 8601 texts, the oldest first.
    # Null: never. See accounts.workspaces.service.
    sa.Column("workspaces_created", JsonText()),
)


workspaces = sa.Table(
    "workspaces",
    metadata,
    identity(),
    sa.Column("name", sa.Text(), nullable=False),
    name_folded(),
    sa.Column("plan", sa.Text(), nullable=False),
    # Limits of this workspace that replace those of the plan, by name, as in the config file. See store.workspace_plan.
    sa.Column("limit_overrides", JsonText()),
    sa.Column("deleted_at", Instant()),  # set: its rows are being deleted, and this one last
    count("unfinished_runs"),  # accepted and not ended: the position of the next ticket
    count("admitted_runs"),  # of these, the runs with a ticket: compared with the plan's cap
    # Counters for plan limits, in this row so that a check reads only one. Values of another day or month count as 0.
    sa.Column("runs_day", sa.Text(), nullable=False, server_default=""),  # YYYY-MM-DD, UTC
    count("runs_today"),
    sa.Column("credit_month", sa.Text(), nullable=False, server_default=""),  # YYYY-MM, UTC
    count("credit_tokens"),
    count(
        "credit_reserved"
    ),  # tokens that model calls in progress may use, see execution.reservations
    sa.Column("created_at", Instant(), nullable=False),
    sa.CheckConstraint("unfinished_runs >= 0", name="unfinished_runs_counted"),
    sa.CheckConstraint("credit_reserved >= 0", name="credit_reserved_counted"),
    sa.CheckConstraint(
        "admitted_runs >= 0 AND admitted_runs <= unfinished_runs", name="admitted_runs_counted"
    ),
    sa.Index(
        "ix_workspaces_deleted",
        "deleted_at",
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    ),
)


memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), primary_key=True),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("role", sa.Text(), nullable=False),
    sa.Column("joined_at", Instant(), nullable=False),
    sa.Column("invited_by", sa.Uuid()),  # null: created the workspace, or added by the server
    # The row of a removed member stays, so that links that were mailed to this person no longer work.
    sa.Column("removed_at", Instant()),
    # Of a removed member's address. The address itself is replaced if the account is deleted. See `queries.members`.
    sa.Column("address_digest", sa.LargeBinary(32)),
    one_of("role", Role),
    sa.Index(None, "user_id", "workspace_id"),
)


# See execution.quotas. A daily counter counts as 0 on any other day.
quota_counts = sa.Table(
    "quota_counts",
    metadata,
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), primary_key=True),
    sa.Column("name", sa.Text(), primary_key=True),  # name of the limit in the plan
    sa.Column("day", sa.Text(), nullable=False),  # YYYY-MM-DD, UTC; empty: not a daily counter
    sa.Column("value", sa.BigInteger(), nullable=False),
    sa.CheckConstraint("value >= 0", name="value_counted"),
)


sessions = sa.Table(
    "sessions",
    metadata,
    identity(),
    owner(),  # the first workspace at the login, only for processes of the release before "Teams"
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("ends_at", Instant()),  # null: each use extends it
    sa.Column("revoked_at", Instant()),
    sa.Column("last_used_at", Instant()),  # accurate to the minute; null: not since it is recorded
    # Of the client that logged in; null: not recorded.
    sa.Column("client", sa.Text()),  # an IPv4 address or an IPv6 network
    sa.Column("device", sa.Text()),  # see accounts.devices
    sa.Index(None, "user_id"),
    sa.Index(None, "workspace_id"),
    sa.Index(None, "expires_at"),
)


refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    identity(),
    sa.Column("session_id", sa.Uuid(), sa.ForeignKey("sessions.id"), nullable=False),
    sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("used_at", Instant()),
    sa.Index(None, "session_id"),
    sa.Index(None, "expires_at"),
)


api_keys = sa.Table(
    "api_keys",
    metadata,
    identity(),
    owner(),
    sa.Column("kind", sa.Text(), nullable=False, server_default=KeyKind.PERSONAL),
    # The owner of a personal key; the member that created a service key.
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("prefix", sa.Text(), nullable=False),
    sa.Column("key_hash", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    sa.Column("scopes", JsonText(), nullable=False),
    sa.Column("expires_at", Instant()),
    # Seconds that the key was valid for before it was rolled. 0: without an end; null: not rolled.
    sa.Column("lifetime_before_roll", sa.BigInteger()),
    sa.Column("last_used_at", Instant()),
    sa.Column("revoked_at", Instant()),
    sa.Column("created_at", Instant(), nullable=False),
    one_of("kind", KeyKind),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(None, "user_id"),
    # For counting the keys that are not revoked, without reading the revoked ones.
    # Not a partial index: PostgreSQL would scan all of it to find a single key.
    sa.Index("ix_api_keys_not_revoked", "workspace_id", "revoked_at"),
)


password_resets = sa.Table(
    "password_resets",
    metadata,
    identity(),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("used_at", Instant()),
    sa.Index(None, "user_id"),
    sa.Index(None, "expires_at"),
)

invitations = sa.Table(
    "invitations",
    metadata,
    identity(),
    sa.Column("email", sa.Text(), nullable=False),  # lower case
    sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("used_at", Instant()),
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id")),  # null: to register only
    sa.Column("role", sa.Text()),
    sa.Column("invited_by", sa.Uuid()),
    sa.CheckConstraint("(workspace_id IS NULL) = (role IS NULL)", name="role_in_workspace"),
    one_of("role", Role),
    sa.Index(None, "email"),
    sa.Index(None, "expires_at"),
    sa.Index(None, "workspace_id", "id"),
)

# See accounts.queries.known_clients.
known_clients = sa.Table(
    "known_clients",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # HMAC-SHA-256 of account and client
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("last_seen_at", Instant(), nullable=False),
    sa.Index(None, "user_id", "last_seen_at"),
    sa.Index(None, "last_seen_at"),
)

secrets = sa.Table(
    "secrets",
    metadata,
    identity(),
    owner(),
    sa.Column("pipeline_id", sa.Uuid()),  # null: for the whole workspace
    sa.Column("scope_id", sa.Uuid(), nullable=False),  # the pipeline, or else the workspace
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),  # of the value; bound into the ciphertext
    sa.Column("key_id", sa.Text(), nullable=False),  # master key that wraps the data key
    sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
    sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
    sa.Column("hosts", JsonText()),  # where the value may be sent; null: anywhere
    sa.Column("last_used_at", Instant()),  # by a run or a delivery, accurate to the minute
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.CheckConstraint("version >= 1", name="version_counted"),
    sa.UniqueConstraint("scope_id", "name"),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(None, "key_id", "id"),
)


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
