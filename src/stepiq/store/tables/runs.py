"""The journal: runs, executions of steps, and events."""

import sqlalchemy as sa

from stepiq.store.states import (
    FINAL_RUN_STATUSES,
    FINAL_STEP_STATUSES,
    ReviewDecision,
    RunStatus,
    StepStatus,
    TriggerType,
)
from stepiq.store.tables.base import count, ends_when_final, identity, metadata, owner
from stepiq.store.types import Instant, JsonText, one_of

LARGE_VALUE_BYTES = 64 * 1024
"""Outputs whose JSON text is larger are stored in `large_values`, so that lists do not read them."""


runs = sa.Table(
    "runs",
    metadata,
    identity(),
    owner(),
    sa.Column("pipeline_id", sa.Uuid(), nullable=False),
    sa.Column("pipeline_version", sa.Integer(), nullable=False),
    sa.Column("trigger_type", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("input_data", JsonText(), nullable=False),
    sa.Column("output", JsonText()),
    sa.Column("output_is_large", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("error", JsonText()),
    count("input_tokens"),
    count("cached_tokens"),  # part of input_tokens
    count("output_tokens"),
    count("credit_tokens"),  # tokens that the server pays for; 1,000 are one credit
    count("cost_usd_micros"),
    sa.Column("cost_complete", sa.Boolean(), nullable=False, server_default=sa.true()),
    # Of a completed run: the failures that it passed over.
    sa.Column("failed_steps", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("retry_of", sa.Uuid()),
    sa.Column("reused", JsonText()),  # of a retry: steps it reuses, see execution.retries
    sa.Column("schedule_id", sa.Uuid()),  # of runs that a schedule started
    sa.Column("only_step", sa.Text()),  # of runs that execute one step: its id
    # What started the run: a CallerType, and the id of the user, the API key or the schedule. Null: an earlier version
    # accepted the run.
    sa.Column("caller_type", sa.Text()),
    sa.Column("caller_id", sa.Uuid()),
    sa.Column(
        "traceparent", sa.Text()
    ),  # of the request that started the run, if it had a valid one
    sa.Column("error_code", sa.Text()),  # `code` of the error
    sa.Column("own_keys", JsonText()),  # names of secrets that were provider keys at acceptance
    sa.Column("claim", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("ticket", sa.Integer(), nullable=False, server_default="0"),  # 0: held, -1: waiting
    # Consecutive claims that ended because their process died, since the last progress of the run.
    sa.Column("crashes", sa.Integer(), nullable=False, server_default="0"),
    # All claims of the run that ended because their process died.
    sa.Column("crashes_in_total", sa.Integer(), nullable=False, server_default="0"),
    # Whether a process has claimed the run and not released it. If another process claims it then, the first has died.
    sa.Column("is_claimed", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column(
        "executor", sa.Text()
    ),  # of a running run without a ticket: the worker that accepted it
    sa.Column("wake_at", Instant()),  # of a waiting run: when it continues at the latest
    sa.Column("last_seq", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("deadline_at", Instant(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("started_at", Instant()),
    sa.Column("completed_at", Instant()),
    one_of("status", RunStatus),
    one_of("trigger_type", TriggerType),
    ends_when_final(FINAL_RUN_STATUSES),
    sa.CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name="error_when_failed"),
    sa.CheckConstraint("status <> 'running' OR started_at IS NOT NULL", name="running_has_started"),
    sa.ForeignKeyConstraint(
        ["pipeline_id", "pipeline_version"],
        ["pipeline_versions.pipeline_id", "pipeline_versions.version"],
    ),
    sa.Index(None, "workspace_id", "id"),
    sa.Index(None, "workspace_id", "trigger_type", "status", "id"),
    sa.Index(None, "pipeline_id", "id"),
    # Also for deleting versions.
    sa.Index(None, "pipeline_id", "pipeline_version", "id"),
    sa.Index(
        None,
        "workspace_id",
        "error_code",
        "id",
        sqlite_where=sa.text("error_code IS NOT NULL"),
        postgresql_where=sa.text("error_code IS NOT NULL"),
    ),
    sa.Index(
        None,
        "workspace_id",
        "caller_id",
        "id",
        sqlite_where=sa.text("caller_id IS NOT NULL"),
        postgresql_where=sa.text("caller_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_runs_with_failures",
        "workspace_id",
        "status",
        "id",
        sqlite_where=sa.text("failed_steps > 0"),
        postgresql_where=sa.text("failed_steps > 0"),
    ),
    sa.Index(None, "pipeline_id", "trigger_type", "status", "id"),
    # For deleting ended runs, the oldest first.
    sa.Index(
        "ix_runs_ended",
        "completed_at",
        sqlite_where=sa.text("completed_at IS NOT NULL"),
        postgresql_where=sa.text("completed_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_runs_of_schedule",
        "schedule_id",
        "id",
        sqlite_where=sa.text("schedule_id IS NOT NULL"),
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_runs_wake",
        "wake_at",
        sqlite_where=sa.text("wake_at IS NOT NULL"),
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_runs_of_executor",
        "executor",
        sqlite_where=sa.text("executor IS NOT NULL AND status = 'running'"),
        postgresql_where=sa.text("executor IS NOT NULL AND status = 'running'"),
    ),
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
    identity(),
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("step_id", sa.Text(), nullable=False),
    sa.Column("branch", sa.Text(), nullable=False, server_default=""),  # path, such as 2/0
    sa.Column("iteration", sa.Integer(), nullable=False),
    sa.Column("ordinal", sa.Integer(), nullable=False),  # order of execution
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("type", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
    # Branches that a limit of the run stopped before a step, which then has no row.
    sa.Column("stopped_branches", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("model", sa.Text()),
    sa.Column("prompt", sa.Text()),
    sa.Column("system_prompt", sa.Text()),
    sa.Column("output", JsonText()),
    sa.Column("output_is_large", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("error", JsonText()),
    sa.Column("jump", sa.Text()),  # field that selected the next step, such as on_condition[0]
    sa.Column("is_reused", sa.Boolean(), nullable=False, server_default=sa.false()),
    count("input_tokens"),
    count("cached_tokens"),
    count("output_tokens"),
    count("reserved_tokens"),  # part of the workspace's credit_reserved
    sa.Column(
        "paid_by", sa.Text()
    ),  # the key that the model calls used: account_key, server_key, local
    sa.Column("tokens_estimated", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("cost", JsonText()),  # {input, cached, output} in micro-dollars; null: unknown
    sa.Column("started_at", Instant()),
    sa.Column("completed_at", Instant()),
    one_of("status", StepStatus),
    ends_when_final(FINAL_STEP_STATUSES),
    sa.CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name="error_when_failed"),
    sa.CheckConstraint("iteration >= 1", name="iteration_counted"),
    sa.UniqueConstraint("run_id", "step_id", "branch", "iteration"),
    sa.Index(None, "run_id", "ordinal"),
    sa.Index(
        "ix_run_steps_reserved",
        "run_id",
        sqlite_where=sa.text("reserved_tokens > 0"),
        postgresql_where=sa.text("reserved_tokens > 0"),
    ),
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


reviews = sa.Table(
    "reviews",
    metadata,
    identity(),
    owner(),
    sa.Column("pipeline_id", sa.Uuid(), nullable=False),
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("step_id", sa.Text(), nullable=False),
    sa.Column("iteration", sa.Integer(), nullable=False),
    sa.Column("message", sa.Text(), nullable=False),
    sa.Column("input", JsonText()),
    sa.Column("editable", sa.Boolean(), nullable=False),
    sa.Column("assignees", JsonText(), nullable=False),
    sa.Column("requested_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("closed_at", Instant()),  # decided, expired, or its run has ended
    sa.Column("decision", sa.Text()),  # null: not decided
    sa.Column("comment", sa.Text()),
    sa.Column("output", JsonText()),  # as edited
    sa.Column("reviewer", sa.Text()),
    one_of("decision", ReviewDecision),
    sa.CheckConstraint("decision IS NULL OR closed_at IS NOT NULL", name="decided_is_closed"),
    sa.UniqueConstraint("run_id", "step_id", "iteration"),
    sa.Index(
        "ix_reviews_open",
        "workspace_id",
        "id",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)


# Ended runs whose traces must be exported. A row is deleted once its trace is sent, or cannot be sent.
trace_exports = sa.Table(
    "trace_exports",
    metadata,
    sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    # When a process may take it. A process that takes it moves this time, so that no other takes it meanwhile.
    sa.Column("due_at", Instant(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Index(None, "due_at"),
)
