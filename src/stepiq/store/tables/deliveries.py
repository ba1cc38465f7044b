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
    # Few of many: what is under way. Said by another column than the status, or PostgreSQL would look through all of it for
    # one delivery that has to be pending.
    sa.Index(
        "ix_deliveries_under_way",
        "workspace_id",
        sqlite_where=sa.text("completed_at IS NULL"),
        postgresql_where=sa.text("completed_at IS NULL"),
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
