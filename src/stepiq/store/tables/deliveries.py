"""Deliveries of run results, their attempts, and email recipients."""

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
    # Null: a test event, which has no run.
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE")),
    sa.Column("event", sa.Text(), nullable=False),
    sa.Column("target_type", sa.Text(), nullable=False),
    sa.Column("target_path", sa.Text(), nullable=False),  # in the definition: output.deliver[0]
    sa.Column("target", JsonText(), nullable=False),  # to show: url or addresses, secrets masked
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("ticket", sa.Integer(), nullable=False, server_default="1"),  # counts redeliveries
    sa.Column("claim", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("attempts_allowed", sa.Integer(), nullable=False, server_default="4"),
    sa.Column("error", sa.Text()),  # why it failed, before or at its last attempt
    sa.Column("recipient_id", sa.Uuid()),  # of a held email: the recipient that must confirm
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
    # Few of many rows are in progress. The condition does not use `status`, because PostgreSQL would then scan the
    # whole index to find one pending delivery.
    sa.Index(
        "ix_deliveries_under_way",
        "workspace_id",
        sqlite_where=sa.text("completed_at IS NULL"),
        postgresql_where=sa.text("completed_at IS NULL"),
    ),
)

# People outside a workspace that may get its email once they have confirmed. Rows are never deleted, because recipients
# can use the link to refuse at any time.
recipients = sa.Table(
    "recipients",
    metadata,
    identity(),
    owner(),
    sa.Column("email", sa.Text(), nullable=False),  # lower case
    sa.Column("asked_at", Instant(), nullable=False),
    sa.Column("confirmed_at", Instant()),
    sa.Column("sent_at", Instant()),  # null: the confirmation email has not been sent
    sa.Column("retry_at", Instant()),  # earliest time to send it again
    sa.UniqueConstraint("workspace_id", "email"),
    sa.Index(None, "workspace_id", "asked_at"),
)

# The number of confirmation requests and invitations to each mailbox in a day, of all workspaces together.
asked_addresses = sa.Table(
    "asked_addresses",
    metadata,
    sa.Column("email", sa.Text(), primary_key=True),  # lower case, without a "+" suffix
    sa.Column("day", sa.Text(), nullable=False),  # YYYY-MM-DD, UTC
    sa.Column("asked", sa.Integer(), nullable=False),
    sa.Column("refused_at", Instant()),  # set: gets no more of them
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
    sa.Column("at", Instant(), nullable=False),  # recorded before sending
    sa.Column("status_code", sa.Integer()),
    sa.Column("error", sa.Text()),
    sa.Column("duration_ms", sa.Integer()),
    sa.Column("response_headers", JsonText()),
    sa.Column("response_excerpt", sa.Text()),  # the first KiB, secrets masked
    sa.Column("completed_at", Instant()),  # null after the end: a crash interrupted it
    # Of a webhook: method, URL and headers with secrets masked, and the hash of the body. Null: a mail.
    sa.Column("request", JsonText()),
    sa.CheckConstraint("number >= 1", name="number_counted"),
)
