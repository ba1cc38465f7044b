"""Operations: the calls out of the process that executions of steps have made."""

import sqlalchemy as sa

from stepiq.store.states import OperationStatus
from stepiq.store.tables.base import count, identity, metadata
from stepiq.store.types import Instant, JsonText, one_of

run_operations = sa.Table(
    "run_operations",
    metadata,
    identity(),
    # Without a foreign key: the rows of a deleted run are found through its steps.
    sa.Column("run_id", sa.Uuid(), nullable=False),
    sa.Column(
        "step_row_id", sa.Uuid(), sa.ForeignKey("run_steps.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("attempt", sa.Integer(), nullable=False),  # failures of the step so far, plus 1
    sa.Column("number", sa.Integer(), nullable=False),  # within the attempt
    # No check of its values: SQLite can change a check only by copying the table, and kinds are added.
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column(
        "starts", sa.Integer(), nullable=False, server_default="1"
    ),  # calls, crashes included
    sa.Column("key", sa.Text(), nullable=False),  # the idempotency key
    sa.Column("request_hash", sa.Text()),
    sa.Column("request", JsonText()),  # secrets masked, as in all of the row
    sa.Column("request_is_large", sa.Boolean(), nullable=False, server_default=sa.false()),
    # Not recorded, because the calls of the step exceed MAX_RECORDED_BYTES.
    sa.Column("request_is_omitted", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("response", JsonText()),  # null if it is the output of the step
    sa.Column("response_is_large", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("response_is_omitted", sa.Boolean(), nullable=False, server_default=sa.false()),
    count("recorded_bytes"),  # of request and response
    sa.Column("error", JsonText()),
    sa.Column("outcome", sa.Text()),  # status of an HTTP response, or why a model stopped
    sa.Column("reported_model", sa.Text()),  # by the provider, such as a dated version of `model`
    sa.Column("model", sa.Text()),
    sa.Column("paid_by", sa.Text()),  # as in run_steps
    count("input_tokens"),
    count("cached_tokens"),  # part of input_tokens
    count("output_tokens"),
    sa.Column("tokens_estimated", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("cost", JsonText()),  # as in run_steps
    sa.Column("queued_at", Instant(), nullable=False),
    sa.Column("started_at", Instant()),
    sa.Column("first_piece_at", Instant()),
    sa.Column("ended_at", Instant()),
    one_of("status", OperationStatus),
    sa.CheckConstraint("(status <> 'running') = (ended_at IS NOT NULL)", name="ends_when_final"),
    sa.CheckConstraint("status <> 'failed' OR error IS NOT NULL", name="failed_has_error"),
    sa.CheckConstraint("attempt >= 1", name="attempt_counted"),
    sa.CheckConstraint("number >= 1", name="number_counted"),
    # Also finds the operations of a step, and deletes them with it.
    sa.UniqueConstraint("step_row_id", "attempt", "number"),
)

# Requests and responses whose JSON text is larger than LARGE_VALUE_BYTES, so that lists do not read them.
operation_payloads = sa.Table(
    "operation_payloads",
    metadata,
    sa.Column(
        "operation_id",
        sa.Uuid(),
        sa.ForeignKey("run_operations.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("part", sa.Text(), primary_key=True),  # request or response
    sa.Column("value", JsonText(), nullable=False),
    sa.CheckConstraint("part IN ('request', 'response')", name="part_known"),
)
