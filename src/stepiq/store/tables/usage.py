"""Usage of each workspace by day, pipeline and model, so that usage reports never read runs."""

import sqlalchemy as sa

from stepiq.store.tables.base import count, metadata
from stepiq.store.types import Instant, JsonText

usage_days = sa.Table(
    "usage_days",
    metadata,
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), primary_key=True),
    sa.Column("day", sa.Text(), primary_key=True),  # YYYY-MM-DD, UTC
    sa.Column("pipeline_id", sa.Uuid(), primary_key=True),
    sa.Column("model", sa.Text(), primary_key=True),  # empty: counts all runs
    count("runs"),  # ended runs; with a model: those that used it
    count("runs_completed"),
    count("runs_failed"),
    count("runs_cancelled"),
    count("input_tokens"),
    count("cached_tokens"),
    count("output_tokens"),
    count("credit_tokens"),
    count("cost_usd_micros"),
    sa.Column("cost_complete", sa.Boolean(), nullable=False, server_default=sa.true()),
)

# The same usage by what started the runs, without that of runs whose caller is unknown.
usage_caller_days = sa.Table(
    "usage_caller_days",
    metadata,
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), primary_key=True),
    sa.Column("day", sa.Text(), primary_key=True),  # YYYY-MM-DD, UTC
    sa.Column("caller_id", sa.Uuid(), primary_key=True),  # as in runs
    count("runs"),  # ended runs
    count("input_tokens"),
    count("output_tokens"),
    count("cost_usd_micros"),
    sa.Column("cost_complete", sa.Boolean(), nullable=False, server_default=sa.true()),
)

idempotent_requests = sa.Table(
    "idempotent_requests",
    metadata,
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), primary_key=True),
    sa.Column("route", sa.Text(), primary_key=True),  # method and path
    sa.Column("key", sa.Text(), primary_key=True),
    # What the caller acted as: a user, or the workspace.
    sa.Column("principal_id", sa.Uuid(), nullable=False),
    sa.Column("request_hash", sa.LargeBinary(32), nullable=False),  # SHA-256 of query and body
    sa.Column("status", sa.Integer()),
    sa.Column("headers", JsonText()),
    sa.Column("body", sa.LargeBinary()),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Index(None, "created_at"),
)
