"""The authenticated caller of a request."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """Scopes of API keys. A session has all of them."""

    PIPELINES_READ = "pipelines:read"
    PIPELINES_WRITE = "pipelines:write"
    PIPELINES_EXECUTE = "pipelines:execute"
    WEBHOOKS_TRIGGER = "webhooks:trigger"
    ACCOUNT_READ = "account:read"


ALL_SCOPES = frozenset(Scope)


class Credential(StrEnum):
    """The kind of credential that the caller used."""

    SESSION = "session"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller with access to one workspace."""

    workspace_id: UUID
    user_id: UUID
    credential: Credential
    key_id: UUID | None
    session_id: UUID | None
    scopes: frozenset[Scope]
    is_admin: bool
    plan: str
    """Name of the workspace's plan, at most 5 seconds old."""
