"""What leaves after a run: deliveries and their attempts."""

import sqlalchemy as sa

from stepiq.store.states import DeliveryStatus, TargetType
from stepiq.store.tables.base import identity, metadata, owner
from stepiq.store.types import Instant, JsonText, one_of

deliveries = sa.Table(
    "deliveries",
    metadata,
    identity(),
    owner(),
    sa.Column("pipeline_id", sa.Uuid(), nullable=False),
    sa.Column("pipeline_version", sa.Integer(), nullable=False),
    # Null: a test event, which no run stands behind.
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE")),
    sa.Column("event", sa.Text(), nullable=False),
    sa.Column("target_type", sa.Text(), nullable=False),
    sa.Column("target_path", sa.Text(), nullable=False),  # in the definition: output.deliver[0]
    sa.Column("target", JsonText(), nullable=False),  # as shown: url or addresses, secrets masked
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("ticket", sa.Integer(), nullable=False, server_default="1"),  # counts redeliveries
    sa.Column("claim", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("attempts_allowed", sa.Integer(), nullable=False, server_default="4"),
    sa.Column("error", sa.Text()),  # why it failed before or at its last attempt
    sa.Column("recipient_id", sa.Uuid()),  # of a held email: who has to confirm
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("completed_at", Instant()),
    one_of("status", DeliveryStatus),
    one_of("target_type", TargetType),
    sa.CheckConstraint(
        "(status <> 'pending') = (completed_at IS NOT NULL)", name="ends_when_final"
    ),
    sa.Index(None, "run_id", "id"),
    sa.Index(None, "pipeline_id", "id"),
    sa.Index(None, "pipeline_id", "status", "id"),
    sa.Index(
        "ix_deliveries_held",
        "recipient_id",
        "id",
        sqlite_where=sa.text("recipient_id IS NOT NULL"),
        postgresql_where=sa.text("recipient_id IS NOT NULL"),
    ),
    # Few of many: what is under way. Said by another column than the status, or PostgreSQL would look through all of it for
    # one delivery that has to be pending.
    sa.Index(
        "ix_deliveries_under_way",
        "workspace_id",
        sqlite_where=sa.text("completed_at IS NULL"),
        postgresql_where=sa.text("completed_at IS NULL"),
    ),
)

# Who is not a member of a workspace, and may get email of it once they have confirmed. Never deleted: links can refuse at any time.
recipients = sa.Table(
    "recipients",
    metadata,
    identity(),
    owner(),
    sa.Column("email", sa.Text(), nullable=False),  # lower case
    sa.Column("asked_at", Instant(), nullable=False),
    sa.Column("confirmed_at", Instant()),
    sa.Column("sent_at", Instant()),  # null: the mail server has not accepted the email that asks
    sa.Column("retry_at", Instant()),  # until then, nobody tries to send it again
    sa.UniqueConstraint("workspace_id", "email"),
    sa.Index(None, "workspace_id", "asked_at"),
)

# How often each mailbox was asked to confirm in a day, by all workspaces together.
asked_addresses = sa.Table(
    "asked_addresses",
    metadata,
    sa.Column("email", sa.Text(), primary_key=True),  # lower case, without what follows a "+"
    sa.Column("day", sa.Text(), nullable=False),  # YYYY-MM-DD, UTC
    sa.Column("asked", sa.Integer(), nullable=False),
    sa.Column("refused_at", Instant()),  # it does not want to be asked
    sa.Index(
        "ix_asked_addresses_day",
        "day",
        sqlite_where=sa.text("refused_at IS NULL"),
        postgresql_where=sa.text("refused_at IS NULL"),
    ),
)

delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    sa.Column(
        "delivery_id",
        sa.Uuid(),
        sa.ForeignKey("deliveries.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("number", sa.Integer(), primary_key=True),
    sa.Column("at", Instant(), nullable=False),  # recorded before it is sent
    sa.Column("status_code", sa.Integer()),
    sa.Column("error", sa.Text()),
    sa.Column("duration_ms", sa.Integer()),
    sa.Column("response_headers", JsonText()),
    sa.Column("response_excerpt", sa.Text()),  # the first KiB, secrets masked
    sa.Column("completed_at", Instant()),  # null after the end: cut off by a crash
    sa.CheckConstraint("number >= 1", name="number_counted"),
)
