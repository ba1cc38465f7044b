"""All tables of stepIQ. The queue's own tables are in the same database, but not defined or changed here.

Constraints prevent invalid states: a run or a step has an end time exactly if its status is final.
Every table with data of users has `workspace_id`, and queries filter by it.
"""

from stepiq.store.tables.accounts import (
    api_keys,
    device_logins,
    identities,
    identity_roles,
    invitations,
    known_clients,
    memberships,
    password_resets,
    quota_counts,
    recovery_codes,
    refresh_tokens,
    secrets,
    sessions,
    spent_sign_ins,
    totp_secrets,
    users,
    workspaces,
)
from stepiq.store.tables.audit import audit_chains, audit_entries
from stepiq.store.tables.base import metadata
from stepiq.store.tables.bulk import bulk_items, bulk_jobs
from stepiq.store.tables.deliveries import (
    asked_addresses,
    deliveries,
    delivery_attempts,
    recipients,
)
from stepiq.store.tables.limits import counts
from stepiq.store.tables.operations import operation_payloads, run_operations
from stepiq.store.tables.pipelines import drafts, pipeline_versions, pipelines
from stepiq.store.tables.runs import (
    LARGE_VALUE_BYTES,
    large_values,
    reviews,
    run_events,
    run_steps,
    runs,
    trace_exports,
)
from stepiq.store.tables.schedules import schedule_ticks, schedules
from stepiq.store.tables.usage import idempotent_requests, usage_caller_days, usage_days

__all__ = [
    "LARGE_VALUE_BYTES",
    "api_keys",
    "asked_addresses",
    "audit_chains",
    "audit_entries",
    "bulk_items",
    "bulk_jobs",
    "counts",
    "deliveries",
    "delivery_attempts",
    "device_logins",
    "drafts",
    "idempotent_requests",
    "identities",
    "identity_roles",
    "invitations",
    "known_clients",
    "large_values",
    "memberships",
    "metadata",
    "operation_payloads",
    "password_resets",
    "pipeline_versions",
    "pipelines",
    "quota_counts",
    "recipients",
    "recovery_codes",
    "refresh_tokens",
    "reviews",
    "run_events",
    "run_operations",
    "run_steps",
    "runs",
    "schedule_ticks",
    "schedules",
    "secrets",
    "sessions",
    "spent_sign_ins",
    "totp_secrets",
    "trace_exports",
    "usage_caller_days",
    "usage_days",
    "users",
    "workspaces",
]
