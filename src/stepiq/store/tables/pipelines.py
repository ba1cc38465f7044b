"""Pipelines, their immutable versions, and drafts of editors."""

import sqlalchemy as sa

from stepiq.store.tables.base import identity, metadata, name_folded, owner
from stepiq.store.types import Instant, JsonText

pipelines = sa.Table(
    "pipelines",
    metadata,
    identity(),
    owner(),
    sa.Column("slug", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    name_folded(),
    sa.Column("description", sa.Text(), nullable=False, server_default=""),
    sa.Column("tags", JsonText(), nullable=False),
    # Active or archived. An active one with `paused_at` is paused: lists of all that is not archived scan
    # one part of the index.
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("paused_at", Instant()),
    sa.Column("paused_by", sa.Uuid()),  # a user
    sa.Column("pause_reason", sa.Text()),
    sa.Column("version", sa.Integer(), nullable=False),  # the newest, the default of runs
    # Whether it exists only because a draft of it was run. Such a row is archived, and only its runs refer to it.
    sa.Column("is_unsaved", sa.Boolean(), nullable=False, server_default=sa.false()),
    # What changes it instead of people, and where its definition comes from, for people to read.
    sa.Column("managed_by", sa.Text()),
    sa.Column("managed_source", sa.Text()),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.CheckConstraint("status IN ('active', 'archived')", name="status_known"),
    sa.CheckConstraint("version >= 1", name="version_counted"),
    sa.UniqueConstraint("workspace_id", "slug"),
    sa.Index(None, "workspace_id", "status", "id"),
)


pipeline_versions = sa.Table(
    "pipeline_versions",
    metadata,
    sa.Column("pipeline_id", sa.Uuid(), sa.ForeignKey("pipelines.id"), primary_key=True),
    sa.Column("version", sa.Integer(), primary_key=True),
    owner(),
    sa.Column("source", sa.Text(), nullable=False),  # as sent, byte for byte
    sa.Column("source_format", sa.Text(), nullable=False),
    sa.Column("definition", JsonText(), nullable=False),
    # Names of the secrets that it uses; null: the text of a draft
    sa.Column("secret_names", JsonText()),
    # The package and its version of each step type that is not built in; null if there is none.
    sa.Column("step_packages", JsonText()),
    # The SHA-256 of the UTF-8 bytes of `source`
    sa.Column("source_sha256", sa.LargeBinary(32), nullable=False),
    # The bytes of a draft that was run which count for the quotas, as one version. Saved versions always count, and have
    # no value here.
    sa.Column("counted_bytes", sa.Integer()),
    sa.Column("created_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.CheckConstraint("version >= 1", name="version_counted"),
    sa.CheckConstraint("source_format IN ('json', 'yaml')", name="source_format_known"),
    sa.Index(None, "workspace_id"),
    sa.Index(
        "ix_pipeline_versions_counted",
        "workspace_id",
        "counted_bytes",
        sqlite_where=sa.text("counted_bytes IS NOT NULL"),
        postgresql_where=sa.text("counted_bytes IS NOT NULL"),
    ),
)


drafts = sa.Table(
    "drafts",
    metadata,
    # Without a foreign key: a draft of a new pipeline reserves the id.
    sa.Column("pipeline_id", sa.Uuid(), primary_key=True),
    sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
    owner(),
    sa.Column("text", sa.Text(), nullable=False),  # as typed, valid or not
    sa.Column("source_format", sa.Text(), nullable=False),
    sa.Column("base_version", sa.Integer()),  # the version that was edited; null: a new pipeline
    sa.Column("revision", sa.Uuid(), nullable=False),  # new with each change, increases with time
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.CheckConstraint("source_format IN ('json', 'yaml')", name="source_format_known"),
    sa.Index(None, "workspace_id", "user_id", "revision"),
    sa.Index(None, "user_id"),
)
