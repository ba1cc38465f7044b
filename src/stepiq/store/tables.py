"""Every table of ours. The engine's own tables live beside them and are never touched from here.

Constraints make wrong states impossible: a run or a step has an end time exactly when its status is final.
Everything a user owns carries `workspace_id`, and queries filter by it.
"""

from uuid import UUID

import sqlalchemy as sa

from stepiq.store.states import (
    FINAL_RUN_STATUSES,
    FINAL_STEP_STATUSES,
    PipelineStatus,
    RunStatus,
    StepStatus,
    TriggerType,
)
from stepiq.store.types import Instant, JsonText, one_of

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

LARGE_VALUE_BYTES = 64 * 1024
"""Outputs larger than this, as JSON text, sit in `large_values` apart from the rows that lists read."""


def _ends_when_final(final: frozenset[StepStatus] | frozenset[RunStatus]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{status}'" for status in sorted(final))
    return sa.CheckConstraint(
        f"(status IN ({listed})) = (completed_at IS NOT NULL)", name="ends_when_final"
    )


def _id() -> sa.Column[UUID]:
    return sa.Column("id", sa.Uuid(), primary_key=True)


def _owner() -> sa.Column[UUID]:
    return sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


users = sa.Table(
    "users",
    metadata,
    _id(),
    sa.Column("email", sa.Text(), nullable=False, unique=True),  # lower case
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("password_hash", sa.Text(), nullable=False),
    sa.Column("is_admin", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("disabled_at", Instant()),
    sa.Column("created_at", Instant(), nullable=False),
)

workspaces = sa.Table(
    "workspaces",
    metadata,
    _id(),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("plan", sa.Text(), nullable=False),
    _count("unfinished_runs"),  # accepted and not ended: the priority of the next ticket
    _count("admitted_runs"),  # of those, the ones that hold a ticket: compared with the plan's cap
    sa.Column("created_at", Instant(), nullable=False),
    sa.CheckConstraint("unfinished_runs >= 0", name="unfinished_runs_counted"),
    sa.CheckConstraint(
        "admitted_runs >= 0 AND admitted_runs <= unfinished_runs", name="admitted_runs_counted"
    ),
)

memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), primary_key=True),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("role", sa.Text(), nullable=False),
    sa.Index(None, "user_id"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _id(),
    _owner(),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("revoked_at", Instant()),
    sa.Index(None, "user_id"),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    _id(),
    sa.Column("session_id", sa.Uuid(), sa.ForeignKey("sessions.id"), nullable=False),
    sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("used_at", Instant()),
    sa.Index(None, "session_id"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _id(),
    _owner(),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("prefix", sa.Text(), nullable=False),
    sa.Column("key_hash", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256
    sa.Column("scopes", JsonText(), nullable=False),
    sa.Column("expires_at", Instant()),
    sa.Column("last_used_at", Instant()),
    sa.Column("revoked_at", Instant()),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Index(None, "workspace_id", "id"),
)

pipelines = sa.Table(
    "pipelines",
    metadata,
    _id(),
    _owner(),
    sa.Column("slug", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("description", sa.Text(), nullable=False, server_default=""),
    sa.Column("tags", JsonText(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),  # the newest, which runs use by default
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    one_of("status", PipelineStatus),
    sa.CheckConstraint("version >= 1", name="version_counted"),
    sa.UniqueConstraint("workspace_id", "slug"),
    sa.Index(None, "workspace_id", "status", "id"),
)

pipeline_versions = sa.Table(
    "pipeline_versions",
    metadata,
    sa.Column("pipeline_id", sa.Uuid(), sa.ForeignKey("pipelines.id"), primary_key=True),
    sa.Column("version", sa.Integer(), primary_key=True),
    _owner(),
    sa.Column("source", sa.Text(), nullable=False),  # as sent, byte for byte
    sa.Column("source_format", sa.Text(), nullable=False),
    sa.Column("definition", JsonText(), nullable=False),
    sa.Column("created_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.CheckConstraint("version >= 1", name="version_counted"),
    sa.CheckConstraint("source_format IN ('json', 'yaml')", name="source_format_known"),
)

runs = sa.Table(
    "runs",
    metadata,
    _id(),
    _owner(),
    sa.Column("pipeline_id", sa.Uuid(), nullable=False),
    sa.Column("pipeline_version", sa.Integer(), nullable=False),
    sa.Column("trigger_type", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("input_data", JsonText(), nullable=False),
    sa.Column("output", JsonText()),
    sa.Column("output_is_large", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("error", JsonText()),
    _count("input_tokens"),
    _count("cached_tokens"),  # part of input_tokens
    _count("output_tokens"),
    _count("credit_tokens"),  # tokens of models that the server pays for; 1,000 are a credit
    _count("cost_usd_micros"),
    sa.Column("cost_complete", sa.Boolean(), nullable=False, server_default=sa.true()),
    sa.Column("retry_of", sa.Uuid()),
    sa.Column("claim", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("ticket", sa.Integer(), nullable=False, server_default="0"),  # 0: held, none yet
    sa.Column("last_seq", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("deadline_at", Instant(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("started_at", Instant()),
    sa.Column("completed_at", Instant()),
    one_of("status", RunStatus),
    one_of("trigger_type", TriggerType),
    _ends_when_final(FINAL_RUN_STATUSES),
    sa.CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name="error_when_failed"),
    sa.CheckConstraint("status <> 'running' OR started_at IS NOT NULL", name="running_has_started"),
    sa.ForeignKeyConstraint(
        ["pipeline_id", "pipeline_version"],
        ["pipeline_versions.pipeline_id", "pipeline_versions.version"],
    ),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(None, "workspace_id", "status", "id"),
    sa.Index(None, "pipeline_id", "id"),
    sa.Index(
        "ix_runs_held",
        "workspace_id",
        "id",
        sqlite_where=sa.text("ticket = 0 AND status = 'pending'"),
        postgresql_where=sa.text("ticket = 0 AND status = 'pending'"),
    ),
)

run_steps = sa.Table(
    "run_steps",
    metadata,
    _id(),
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("step_id", sa.Text(), nullable=False),
    sa.Column("branch", sa.Text(), nullable=False, server_default=""),  # path, such as 2/0
    sa.Column("iteration", sa.Integer(), nullable=False),
    sa.Column("ordinal", sa.Integer(), nullable=False),  # the order in which steps ran
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("type", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("model", sa.Text()),
    sa.Column("prompt", sa.Text()),
    sa.Column("system_prompt", sa.Text()),
    sa.Column("output", JsonText()),
    sa.Column("output_is_large", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("error", JsonText()),
    _count("input_tokens"),
    _count("cached_tokens"),
    _count("output_tokens"),
    sa.Column("tokens_estimated", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("cost", JsonText()),  # {input, cached, output} in micro-dollars; null: unknown
    sa.Column("started_at", Instant()),
    sa.Column("completed_at", Instant()),
    one_of("status", StepStatus),
    _ends_when_final(FINAL_STEP_STATUSES),
    sa.CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name="error_when_failed"),
    sa.CheckConstraint("iteration >= 1", name="iteration_counted"),
    sa.UniqueConstraint("run_id", "step_id", "branch", "iteration"),
)

run_events = sa.Table(
    "run_events",
    metadata,
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer(), primary_key=True),
    sa.Column("type", sa.Text(), nullable=False),
    sa.Column("data", JsonText(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
)

large_values = sa.Table(
    "large_values",
    metadata,
    sa.Column("owner_id", sa.Uuid(), primary_key=True),  # a run or a step row
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("value", JsonText(), nullable=False),
    sa.Index(None, "run_id"),
)
