-- All tables and indexes of 0.1.0, in the syntax of PostgreSQL. `store.migrate` replaces the types that SQLite lacks.
-- Until 0.1.0 is tagged, a change of `store.tables` edits this file, and the revision in `versions/baseline.py`.
-- Afterwards, neither changes.

CREATE TABLE asked_addresses (
    email TEXT NOT NULL,
    day TEXT NOT NULL,
    asked INTEGER NOT NULL,
    refused_at TIMESTAMPTZ,
    CONSTRAINT pk_asked_addresses PRIMARY KEY (email)
);
CREATE INDEX ix_asked_addresses_day ON asked_addresses (day) WHERE refused_at IS NULL;

CREATE TABLE audit_chains (
    id UUID NOT NULL,
    sequence BIGINT DEFAULT '0' NOT NULL,
    hash TEXT NOT NULL,
    sealed_at TIMESTAMPTZ NOT NULL,
    deleted_sequence BIGINT DEFAULT '0' NOT NULL,
    deleted_hash TEXT,
    CONSTRAINT pk_audit_chains PRIMARY KEY (id)
);

CREATE TABLE audit_entries (
    id UUID NOT NULL,
    workspace_id UUID,
    at TIMESTAMPTZ NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    actor_name TEXT,
    key_id UUID,
    key_name TEXT,
    client TEXT,
    action TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT,
    target_name TEXT,
    before TEXT,
    after TEXT,
    sequence BIGINT,
    hash TEXT,
    sealed_at TIMESTAMPTZ,
    CONSTRAINT pk_audit_entries PRIMARY KEY (id),
    CONSTRAINT ck_audit_entries_sealed_whole
        CHECK ((sequence IS NULL) = (hash IS NULL) AND (sequence IS NULL) = (sealed_at IS NULL))
);
CREATE INDEX ix_audit_entries_action_id ON audit_entries (action, id);
CREATE INDEX ix_audit_entries_actor_id_id ON audit_entries (actor_id, id);
CREATE INDEX ix_audit_entries_key_id_id ON audit_entries (key_id, id) WHERE key_id IS NOT NULL;
CREATE INDEX ix_audit_entries_sealed ON audit_entries (sealed_at, sequence) WHERE sealed_at IS NOT NULL;
CREATE INDEX ix_audit_entries_target_id_id ON audit_entries (target_id, id);
CREATE INDEX ix_audit_entries_unsealed ON audit_entries (id) WHERE sequence IS NULL;
CREATE INDEX ix_audit_entries_workspace_id_action_id ON audit_entries (workspace_id, action, id);
CREATE INDEX ix_audit_entries_workspace_id_id ON audit_entries (workspace_id, id);
CREATE INDEX ix_audit_entries_workspace_id_sequence ON audit_entries (workspace_id, sequence);
CREATE UNIQUE INDEX uq_audit_entries_secret_read ON audit_entries (actor_id, target_id)
    WHERE action = 'secret.read' AND actor_kind = 'run';

CREATE TABLE counts (
    key BYTEA NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT pk_counts PRIMARY KEY (key)
);
CREATE INDEX ix_counts_started_at ON counts (started_at);

CREATE TABLE spent_sign_ins (
    digest BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_spent_sign_ins PRIMARY KEY (digest)
);
CREATE INDEX ix_spent_sign_ins_expires_at ON spent_sign_ins (expires_at);

CREATE TABLE users (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    email_verified_at TIMESTAMPTZ,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_admin BOOLEAN DEFAULT false NOT NULL,
    disabled_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    workspaces_created TEXT,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email UNIQUE (email)
);

CREATE TABLE workspaces (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    plan TEXT NOT NULL,
    limit_overrides TEXT,
    deleted_at TIMESTAMPTZ,
    unfinished_runs BIGINT DEFAULT '0' NOT NULL,
    admitted_runs BIGINT DEFAULT '0' NOT NULL,
    runs_day TEXT DEFAULT '' NOT NULL,
    runs_today BIGINT DEFAULT '0' NOT NULL,
    credit_month TEXT DEFAULT '' NOT NULL,
    credit_tokens BIGINT DEFAULT '0' NOT NULL,
    credit_reserved BIGINT DEFAULT '0' NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_workspaces PRIMARY KEY (id),
    CONSTRAINT ck_workspaces_unfinished_runs_counted CHECK (unfinished_runs >= 0),
    CONSTRAINT ck_workspaces_credit_reserved_counted CHECK (credit_reserved >= 0),
    CONSTRAINT ck_workspaces_admitted_runs_counted CHECK (admitted_runs >= 0 AND admitted_runs <= unfinished_runs)
);
CREATE INDEX ix_workspaces_deleted ON workspaces (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE api_keys (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    kind TEXT DEFAULT 'personal' NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    lifetime_before_roll BIGINT,
    last_used_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_kind_known CHECK (kind IN ('personal', 'service')),
    CONSTRAINT fk_api_keys_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_api_keys_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash)
);
CREATE INDEX ix_api_keys_not_revoked ON api_keys (workspace_id, revoked_at);
CREATE INDEX ix_api_keys_user_id ON api_keys (user_id);
CREATE INDEX ix_api_keys_workspace_id_id ON api_keys (workspace_id, id);

CREATE TABLE bulk_jobs (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    user_id UUID NOT NULL,
    key_id UUID,
    action TEXT NOT NULL,
    name TEXT NOT NULL,
    options TEXT NOT NULL,
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER DEFAULT '0' NOT NULL,
    failed INTEGER DEFAULT '0' NOT NULL,
    has_more BOOLEAN DEFAULT false NOT NULL,
    continue_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    CONSTRAINT pk_bulk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_bulk_jobs_action_known CHECK (action IN ('cancel', 'retry')),
    CONSTRAINT ck_bulk_jobs_status_known CHECK (status IN ('pending', 'running', 'completed', 'cancelled')),
    CONSTRAINT ck_bulk_jobs_ends_when_final
        CHECK ((status IN ('cancelled', 'completed')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_bulk_jobs_items_counted CHECK (done + failed <= total),
    CONSTRAINT fk_bulk_jobs_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_bulk_jobs_user_id_users FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_bulk_jobs_ended ON bulk_jobs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX ix_bulk_jobs_unfinished ON bulk_jobs (workspace_id, id) WHERE completed_at IS NULL;
CREATE INDEX ix_bulk_jobs_workspace_id_id ON bulk_jobs (workspace_id, id);

CREATE TABLE device_logins (
    id UUID NOT NULL,
    device_digest BYTEA NOT NULL,
    user_digest BYTEA NOT NULL,
    status TEXT NOT NULL,
    host_name TEXT,
    client TEXT NOT NULL,
    interval_seconds INTEGER NOT NULL,
    polled_at TIMESTAMPTZ,
    workspace_id UUID,
    session_id UUID,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_device_logins PRIMARY KEY (id),
    CONSTRAINT ck_device_logins_status_known CHECK (status IN ('pending', 'approved', 'denied', 'used')),
    CONSTRAINT ck_device_logins_approved_by_session
        CHECK ((status IN ('approved', 'used')) = (workspace_id IS NOT NULL AND session_id IS NOT NULL)),
    CONSTRAINT uq_device_logins_device_digest UNIQUE (device_digest),
    CONSTRAINT uq_device_logins_user_digest UNIQUE (user_digest),
    CONSTRAINT fk_device_logins_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_device_logins_expires_at ON device_logins (expires_at);
CREATE INDEX ix_device_logins_workspace_id ON device_logins (workspace_id);

CREATE TABLE drafts (
    pipeline_id UUID NOT NULL,
    user_id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    text TEXT NOT NULL,
    source_format TEXT NOT NULL,
    base_version INTEGER,
    revision UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_drafts PRIMARY KEY (pipeline_id, user_id),
    CONSTRAINT ck_drafts_source_format_known CHECK (source_format IN ('json', 'yaml')),
    CONSTRAINT fk_drafts_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT fk_drafts_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_drafts_user_id ON drafts (user_id);
CREATE INDEX ix_drafts_workspace_id_user_id_revision ON drafts (workspace_id, user_id, revision);

CREATE TABLE idempotent_requests (
    workspace_id UUID NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    principal_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    status INTEGER,
    headers TEXT,
    body BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_idempotent_requests PRIMARY KEY (workspace_id, route, key),
    CONSTRAINT fk_idempotent_requests_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_idempotent_requests_created_at ON idempotent_requests (created_at);

CREATE TABLE identities (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    provider TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT,
    gives_admin BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    suspended_at TIMESTAMPTZ,
    CONSTRAINT pk_identities PRIMARY KEY (id),
    CONSTRAINT uq_identities_issuer_subject UNIQUE (issuer, subject),
    CONSTRAINT fk_identities_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_identities_user_id ON identities (user_id);

CREATE TABLE invitations (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    workspace_id UUID,
    role TEXT,
    invited_by UUID,
    CONSTRAINT pk_invitations PRIMARY KEY (id),
    CONSTRAINT ck_invitations_role_in_workspace CHECK ((workspace_id IS NULL) = (role IS NULL)),
    CONSTRAINT ck_invitations_role_known CHECK (role IN ('viewer', 'operator', 'editor', 'admin', 'owner')),
    CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_invitations_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_invitations_email ON invitations (email);
CREATE INDEX ix_invitations_expires_at ON invitations (expires_at);
CREATE INDEX ix_invitations_workspace_id_id ON invitations (workspace_id, id);

CREATE TABLE known_clients (
    digest BYTEA NOT NULL,
    user_id UUID NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_known_clients PRIMARY KEY (digest),
    CONSTRAINT fk_known_clients_user_id_users FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_known_clients_last_seen_at ON known_clients (last_seen_at);
CREATE INDEX ix_known_clients_user_id_last_seen_at ON known_clients (user_id, last_seen_at);

CREATE TABLE memberships (
    workspace_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role TEXT NOT NULL,
    joined_at TIMESTAMPTZ NOT NULL,
    invited_by UUID,
    removed_at TIMESTAMPTZ,
    address_digest BYTEA,
    CONSTRAINT pk_memberships PRIMARY KEY (workspace_id, user_id),
    CONSTRAINT ck_memberships_role_known CHECK (role IN ('viewer', 'operator', 'editor', 'admin', 'owner')),
    CONSTRAINT fk_memberships_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_memberships_user_id_users FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_memberships_user_id_workspace_id ON memberships (user_id, workspace_id);

CREATE TABLE password_resets (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    CONSTRAINT pk_password_resets PRIMARY KEY (id),
    CONSTRAINT fk_password_resets_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT uq_password_resets_token_hash UNIQUE (token_hash)
);
CREATE INDEX ix_password_resets_expires_at ON password_resets (expires_at);
CREATE INDEX ix_password_resets_user_id ON password_resets (user_id);

CREATE TABLE pipelines (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    tags TEXT NOT NULL,
    status TEXT NOT NULL,
    paused_at TIMESTAMPTZ,
    paused_by UUID,
    pause_reason TEXT,
    version INTEGER NOT NULL,
    is_unsaved BOOLEAN DEFAULT false NOT NULL,
    managed_by TEXT,
    managed_source TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_pipelines PRIMARY KEY (id),
    CONSTRAINT ck_pipelines_status_known CHECK (status IN ('active', 'archived')),
    CONSTRAINT ck_pipelines_version_counted CHECK (version >= 1),
    CONSTRAINT uq_pipelines_workspace_id_slug UNIQUE (workspace_id, slug),
    CONSTRAINT fk_pipelines_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_pipelines_workspace_id_status_id ON pipelines (workspace_id, status, id);

CREATE TABLE quota_counts (
    workspace_id UUID NOT NULL,
    name TEXT NOT NULL,
    day TEXT NOT NULL,
    value BIGINT NOT NULL,
    CONSTRAINT pk_quota_counts PRIMARY KEY (workspace_id, name),
    CONSTRAINT ck_quota_counts_value_counted CHECK (value >= 0),
    CONSTRAINT fk_quota_counts_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE recipients (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    email TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    confirmed_at TIMESTAMPTZ,
    sent_at TIMESTAMPTZ,
    retry_at TIMESTAMPTZ,
    CONSTRAINT pk_recipients PRIMARY KEY (id),
    CONSTRAINT uq_recipients_workspace_id_email UNIQUE (workspace_id, email),
    CONSTRAINT fk_recipients_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_recipients_workspace_id_asked_at ON recipients (workspace_id, asked_at);

CREATE TABLE recovery_codes (
    user_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (user_id, digest),
    CONSTRAINT fk_recovery_codes_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE secrets (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    pipeline_id UUID,
    scope_id UUID NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    hosts TEXT,
    last_used_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_secrets PRIMARY KEY (id),
    CONSTRAINT ck_secrets_version_counted CHECK (version >= 1),
    CONSTRAINT uq_secrets_scope_id_name UNIQUE (scope_id, name),
    CONSTRAINT fk_secrets_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_secrets_key_id_id ON secrets (key_id, id);
CREATE INDEX ix_secrets_workspace_id_id ON secrets (workspace_id, id);

CREATE TABLE sessions (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    client TEXT,
    device TEXT,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT fk_sessions_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_sessions_user_id_users FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_sessions_workspace_id ON sessions (workspace_id);

CREATE TABLE totp_secrets (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    confirmed_at TIMESTAMPTZ,
    CONSTRAINT pk_totp_secrets PRIMARY KEY (id),
    CONSTRAINT uq_totp_secrets_user_id UNIQUE (user_id),
    CONSTRAINT fk_totp_secrets_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_totp_secrets_key_id_id ON totp_secrets (key_id, id);

CREATE TABLE usage_caller_days (
    workspace_id UUID NOT NULL,
    day TEXT NOT NULL,
    caller_id UUID NOT NULL,
    runs BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_usd_micros BIGINT DEFAULT '0' NOT NULL,
    cost_complete BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT pk_usage_caller_days PRIMARY KEY (workspace_id, day, caller_id),
    CONSTRAINT fk_usage_caller_days_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE usage_days (
    workspace_id UUID NOT NULL,
    day TEXT NOT NULL,
    pipeline_id UUID NOT NULL,
    model TEXT NOT NULL,
    runs BIGINT DEFAULT '0' NOT NULL,
    runs_completed BIGINT DEFAULT '0' NOT NULL,
    runs_failed BIGINT DEFAULT '0' NOT NULL,
    runs_cancelled BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cached_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    credit_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_usd_micros BIGINT DEFAULT '0' NOT NULL,
    cost_complete BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT pk_usage_days PRIMARY KEY (workspace_id, day, pipeline_id, model),
    CONSTRAINT fk_usage_days_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE bulk_items (
    job_id UUID NOT NULL,
    position INTEGER NOT NULL,
    run_id UUID NOT NULL,
    status TEXT NOT NULL,
    code TEXT,
    message TEXT,
    new_run_id UUID,
    CONSTRAINT pk_bulk_items PRIMARY KEY (job_id, position),
    CONSTRAINT ck_bulk_items_status_known CHECK (status IN ('pending', 'done', 'failed')),
    CONSTRAINT ck_bulk_items_code_when_failed CHECK ((status = 'failed') = (code IS NOT NULL)),
    CONSTRAINT fk_bulk_items_job_id_bulk_jobs FOREIGN KEY (job_id) REFERENCES bulk_jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_bulk_items_failed ON bulk_items (job_id, code) WHERE status = 'failed';
CREATE INDEX ix_bulk_items_job_id_status_position ON bulk_items (job_id, status, position);

CREATE TABLE identity_roles (
    identity_id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    role TEXT NOT NULL,
    CONSTRAINT pk_identity_roles PRIMARY KEY (identity_id, workspace_id),
    CONSTRAINT fk_identity_roles_identity_id_identities FOREIGN KEY (identity_id)
        REFERENCES identities (id) ON DELETE CASCADE,
    CONSTRAINT fk_identity_roles_workspace_id_workspaces FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id) ON DELETE CASCADE
);
CREATE INDEX ix_identity_roles_workspace_id ON identity_roles (workspace_id);

CREATE TABLE pipeline_versions (
    pipeline_id UUID NOT NULL,
    version INTEGER NOT NULL,
    workspace_id UUID NOT NULL,
    source TEXT NOT NULL,
    source_format TEXT NOT NULL,
    definition TEXT NOT NULL,
    secret_names TEXT,
    step_packages TEXT,
    source_sha256 BYTEA NOT NULL,
    counted_bytes INTEGER,
    created_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_pipeline_versions PRIMARY KEY (pipeline_id, version),
    CONSTRAINT ck_pipeline_versions_version_counted CHECK (version >= 1),
    CONSTRAINT ck_pipeline_versions_source_format_known CHECK (source_format IN ('json', 'yaml')),
    CONSTRAINT fk_pipeline_versions_pipeline_id_pipelines FOREIGN KEY (pipeline_id) REFERENCES pipelines (id),
    CONSTRAINT fk_pipeline_versions_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_pipeline_versions_created_by_users FOREIGN KEY (created_by) REFERENCES users (id)
);
CREATE INDEX ix_pipeline_versions_counted ON pipeline_versions (workspace_id, counted_bytes)
    WHERE counted_bytes IS NOT NULL;
CREATE INDEX ix_pipeline_versions_workspace_id ON pipeline_versions (workspace_id);

CREATE TABLE refresh_tokens (
    id UUID NOT NULL,
    session_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    CONSTRAINT pk_refresh_tokens PRIMARY KEY (id),
    CONSTRAINT fk_refresh_tokens_session_id_sessions FOREIGN KEY (session_id) REFERENCES sessions (id),
    CONSTRAINT uq_refresh_tokens_token_hash UNIQUE (token_hash)
);
CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);
CREATE INDEX ix_refresh_tokens_session_id ON refresh_tokens (session_id);

CREATE TABLE schedules (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    pipeline_id UUID NOT NULL,
    created_by UUID NOT NULL,
    name TEXT NOT NULL,
    cron_expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    input_data TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    overlap TEXT NOT NULL,
    catch_up TEXT NOT NULL,
    from_definition BOOLEAN DEFAULT false NOT NULL,
    next_run_at TIMESTAMPTZ,
    last_run_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_schedules PRIMARY KEY (id),
    CONSTRAINT ck_schedules_overlap_known CHECK (overlap IN ('allow', 'skip')),
    CONSTRAINT ck_schedules_catch_up_known CHECK (catch_up IN ('none', 'last')),
    CONSTRAINT fk_schedules_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_schedules_pipeline_id_pipelines FOREIGN KEY (pipeline_id) REFERENCES pipelines (id),
    CONSTRAINT fk_schedules_created_by_users FOREIGN KEY (created_by) REFERENCES users (id)
);
CREATE INDEX ix_schedules_next_run_at ON schedules (next_run_at);
CREATE INDEX ix_schedules_pipeline_id_id ON schedules (pipeline_id, id);
CREATE INDEX ix_schedules_workspace_id_id ON schedules (workspace_id, id);
CREATE INDEX ix_schedules_workspace_id_next_run_at ON schedules (workspace_id, next_run_at);
CREATE UNIQUE INDEX uq_schedules_of_definition ON schedules (pipeline_id) WHERE from_definition;

CREATE TABLE runs (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    pipeline_id UUID NOT NULL,
    pipeline_version INTEGER NOT NULL,
    trigger_type TEXT NOT NULL,
    status TEXT NOT NULL,
    input_data TEXT NOT NULL,
    output TEXT,
    output_is_large BOOLEAN DEFAULT false NOT NULL,
    error TEXT,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cached_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    credit_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_usd_micros BIGINT DEFAULT '0' NOT NULL,
    cost_complete BOOLEAN DEFAULT true NOT NULL,
    failed_steps INTEGER DEFAULT '0' NOT NULL,
    retry_of UUID,
    reused TEXT,
    schedule_id UUID,
    only_step TEXT,
    caller_type TEXT,
    caller_id UUID,
    traceparent TEXT,
    error_code TEXT,
    own_keys TEXT,
    claim INTEGER DEFAULT '0' NOT NULL,
    ticket INTEGER DEFAULT '0' NOT NULL,
    crashes INTEGER DEFAULT '0' NOT NULL,
    crashes_in_total INTEGER DEFAULT '0' NOT NULL,
    is_claimed BOOLEAN DEFAULT false NOT NULL,
    executor TEXT,
    wake_at TIMESTAMPTZ,
    last_seq INTEGER DEFAULT '0' NOT NULL,
    deadline_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    CONSTRAINT pk_runs PRIMARY KEY (id),
    CONSTRAINT ck_runs_status_known
        CHECK (status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_runs_trigger_type_known CHECK (trigger_type IN ('manual', 'api', 'cron', 'webhook', 'retry')),
    CONSTRAINT ck_runs_ends_when_final
        CHECK ((status IN ('cancelled', 'completed', 'failed')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_runs_error_when_failed CHECK ((status = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_runs_running_has_started CHECK (status <> 'running' OR started_at IS NOT NULL),
    CONSTRAINT fk_runs_pipeline_id_pipeline_version_pipeline_versions FOREIGN KEY (pipeline_id, pipeline_version)
        REFERENCES pipeline_versions (pipeline_id, version),
    CONSTRAINT fk_runs_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_runs_ended ON runs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX ix_runs_held ON runs (workspace_id, id) WHERE ticket = 0 AND status = 'pending';
CREATE INDEX ix_runs_of_executor ON runs (executor) WHERE executor IS NOT NULL AND status = 'running';
CREATE INDEX ix_runs_of_schedule ON runs (schedule_id, id) WHERE schedule_id IS NOT NULL;
CREATE INDEX ix_runs_pipeline_id_id ON runs (pipeline_id, id);
CREATE INDEX ix_runs_pipeline_id_pipeline_version_id ON runs (pipeline_id, pipeline_version, id);
CREATE INDEX ix_runs_pipeline_id_trigger_type_status_id ON runs (pipeline_id, trigger_type, status, id);
CREATE INDEX ix_runs_wake ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX ix_runs_with_failures ON runs (workspace_id, status, id) WHERE failed_steps > 0;
CREATE INDEX ix_runs_workspace_id_caller_id_id ON runs (workspace_id, caller_id, id) WHERE caller_id IS NOT NULL;
CREATE INDEX ix_runs_workspace_id_error_code_id ON runs (workspace_id, error_code, id) WHERE error_code IS NOT NULL;
CREATE INDEX ix_runs_workspace_id_id ON runs (workspace_id, id);
CREATE INDEX ix_runs_workspace_id_trigger_type_status_id ON runs (workspace_id, trigger_type, status, id);

CREATE TABLE schedule_ticks (
    schedule_id UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    run_id UUID,
    recorded_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_schedule_ticks PRIMARY KEY (schedule_id, due_at),
    CONSTRAINT ck_schedule_ticks_outcome_known CHECK (outcome IN ('started', 'skipped', 'missed')),
    CONSTRAINT ck_schedule_ticks_run_when_started CHECK ((outcome = 'started') = (run_id IS NOT NULL)),
    CONSTRAINT fk_schedule_ticks_schedule_id_schedules FOREIGN KEY (schedule_id)
        REFERENCES schedules (id) ON DELETE CASCADE
);
CREATE INDEX ix_schedule_ticks_recorded_at ON schedule_ticks (recorded_at);

CREATE TABLE deliveries (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    pipeline_id UUID NOT NULL,
    pipeline_version INTEGER NOT NULL,
    run_id UUID,
    event TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_path TEXT NOT NULL,
    target TEXT NOT NULL,
    status TEXT NOT NULL,
    ticket INTEGER DEFAULT '1' NOT NULL,
    claim INTEGER DEFAULT '0' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    attempts_allowed INTEGER DEFAULT '4' NOT NULL,
    error TEXT,
    recipient_id UUID,
    created_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ,
    CONSTRAINT pk_deliveries PRIMARY KEY (id),
    CONSTRAINT ck_deliveries_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT ck_deliveries_target_type_known CHECK (target_type IN ('webhook', 'email')),
    CONSTRAINT ck_deliveries_ends_when_final CHECK ((status <> 'pending') = (completed_at IS NOT NULL)),
    CONSTRAINT fk_deliveries_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_deliveries_run_id_runs FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_deliveries_held ON deliveries (recipient_id, id) WHERE recipient_id IS NOT NULL;
CREATE INDEX ix_deliveries_pipeline_id_id ON deliveries (pipeline_id, id);
CREATE INDEX ix_deliveries_pipeline_id_status_id ON deliveries (pipeline_id, status, id);
CREATE INDEX ix_deliveries_run_id_id ON deliveries (run_id, id);
CREATE INDEX ix_deliveries_under_way ON deliveries (workspace_id) WHERE completed_at IS NULL;

CREATE TABLE large_values (
    owner_id UUID NOT NULL,
    run_id UUID NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_large_values PRIMARY KEY (owner_id),
    CONSTRAINT fk_large_values_run_id_runs FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_large_values_run_id ON large_values (run_id);

CREATE TABLE reviews (
    id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    pipeline_id UUID NOT NULL,
    run_id UUID NOT NULL,
    step_id TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    message TEXT NOT NULL,
    input TEXT,
    editable BOOLEAN NOT NULL,
    assignees TEXT NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    decision TEXT,
    comment TEXT,
    output TEXT,
    reviewer TEXT,
    CONSTRAINT pk_reviews PRIMARY KEY (id),
    CONSTRAINT ck_reviews_decision_known CHECK (decision IN ('approve', 'reject')),
    CONSTRAINT ck_reviews_decided_is_closed CHECK (decision IS NULL OR closed_at IS NOT NULL),
    CONSTRAINT uq_reviews_run_id_step_id_iteration UNIQUE (run_id, step_id, iteration),
    CONSTRAINT fk_reviews_workspace_id_workspaces FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_reviews_run_id_runs FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_reviews_open ON reviews (workspace_id, id) WHERE closed_at IS NULL;

CREATE TABLE run_events (
    run_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_run_events PRIMARY KEY (run_id, seq),
    CONSTRAINT fk_run_events_run_id_runs FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE run_steps (
    id UUID NOT NULL,
    run_id UUID NOT NULL,
    step_id TEXT NOT NULL,
    branch TEXT DEFAULT '' NOT NULL,
    iteration INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    stopped_branches INTEGER DEFAULT '0' NOT NULL,
    model TEXT,
    prompt TEXT,
    system_prompt TEXT,
    output TEXT,
    output_is_large BOOLEAN DEFAULT false NOT NULL,
    error TEXT,
    jump TEXT,
    is_reused BOOLEAN DEFAULT false NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cached_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reserved_tokens BIGINT DEFAULT '0' NOT NULL,
    paid_by TEXT,
    tokens_estimated BOOLEAN DEFAULT false NOT NULL,
    cost TEXT,
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    CONSTRAINT pk_run_steps PRIMARY KEY (id),
    CONSTRAINT ck_run_steps_status_known
        CHECK (status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'skipped', 'cancelled')),
    CONSTRAINT ck_run_steps_ends_when_final
        CHECK ((status IN ('cancelled', 'completed', 'failed', 'skipped')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_run_steps_error_when_failed CHECK ((status = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_run_steps_iteration_counted CHECK (iteration >= 1),
    CONSTRAINT uq_run_steps_run_id_step_id_branch_iteration UNIQUE (run_id, step_id, branch, iteration),
    CONSTRAINT fk_run_steps_run_id_runs FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_run_steps_reserved ON run_steps (run_id) WHERE reserved_tokens > 0;
CREATE INDEX ix_run_steps_run_id_ordinal ON run_steps (run_id, ordinal);

CREATE TABLE trace_exports (
    run_id UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_trace_exports PRIMARY KEY (run_id),
    CONSTRAINT fk_trace_exports_run_id_runs FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_trace_exports_due_at ON trace_exports (due_at);

CREATE TABLE delivery_attempts (
    delivery_id UUID NOT NULL,
    number INTEGER NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    status_code INTEGER,
    error TEXT,
    duration_ms INTEGER,
    response_headers TEXT,
    response_excerpt TEXT,
    completed_at TIMESTAMPTZ,
    request TEXT,
    CONSTRAINT pk_delivery_attempts PRIMARY KEY (delivery_id, number),
    CONSTRAINT ck_delivery_attempts_number_counted CHECK (number >= 1),
    CONSTRAINT fk_delivery_attempts_delivery_id_deliveries FOREIGN KEY (delivery_id)
        REFERENCES deliveries (id) ON DELETE CASCADE
);

CREATE TABLE run_operations (
    id UUID NOT NULL,
    run_id UUID NOT NULL,
    step_row_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    starts INTEGER DEFAULT '1' NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT,
    request TEXT,
    request_is_large BOOLEAN DEFAULT false NOT NULL,
    request_is_omitted BOOLEAN DEFAULT false NOT NULL,
    response TEXT,
    response_is_large BOOLEAN DEFAULT false NOT NULL,
    response_is_omitted BOOLEAN DEFAULT false NOT NULL,
    recorded_bytes BIGINT DEFAULT '0' NOT NULL,
    error TEXT,
    outcome TEXT,
    reported_model TEXT,
    model TEXT,
    paid_by TEXT,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cached_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    tokens_estimated BOOLEAN DEFAULT false NOT NULL,
    cost TEXT,
    queued_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    first_piece_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    CONSTRAINT pk_run_operations PRIMARY KEY (id),
    CONSTRAINT ck_run_operations_status_known CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_run_operations_ends_when_final CHECK ((status <> 'running') = (ended_at IS NOT NULL)),
    CONSTRAINT ck_run_operations_failed_has_error CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT ck_run_operations_attempt_counted CHECK (attempt >= 1),
    CONSTRAINT ck_run_operations_number_counted CHECK (number >= 1),
    CONSTRAINT uq_run_operations_step_row_id_attempt_number UNIQUE (step_row_id, attempt, number),
    CONSTRAINT fk_run_operations_step_row_id_run_steps FOREIGN KEY (step_row_id)
        REFERENCES run_steps (id) ON DELETE CASCADE
);

CREATE TABLE operation_payloads (
    operation_id UUID NOT NULL,
    part TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_operation_payloads PRIMARY KEY (operation_id, part),
    CONSTRAINT ck_operation_payloads_part_known CHECK (part IN ('request', 'response')),
    CONSTRAINT fk_operation_payloads_operation_id_run_operations FOREIGN KEY (operation_id)
        REFERENCES run_operations (id) ON DELETE CASCADE
);
