"""The authenticated caller of a request: its workspace, its role there, and its scopes."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from stepiq.store.states import Role


class Scope(StrEnum):
    """Scopes of API keys. A session has those of the role."""

    PIPELINES_READ = "pipelines:read"
    PIPELINES_WRITE = "pipelines:write"
    PIPELINES_EXECUTE = "pipelines:execute"
    WEBHOOKS_TRIGGER = "webhooks:trigger"
    ACCOUNT_READ = "account:read"
    SECRETS_WRITE = "secrets:write"


ALL_SCOPES = frozenset(Scope)
_INCLUDED = {Scope.PIPELINES_WRITE: frozenset({Scope.SECRETS_WRITE})}

_READS = frozenset({Scope.PIPELINES_READ, Scope.ACCOUNT_READ})
_OPERATES = _READS | {Scope.PIPELINES_EXECUTE, Scope.WEBHOOKS_TRIGGER}
SCOPES_OF_ROLE = {
    Role.VIEWER: _READS,
    Role.OPERATOR: _OPERATES,
    Role.EDITOR: ALL_SCOPES,
    Role.ADMIN: ALL_SCOPES,
    Role.OWNER: ALL_SCOPES,
}
"""What a member can do with a session. A personal key can do what both its scopes and the role allow."""


def with_included(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Scopes, with those that they include: `pipelines:write` includes `secrets:write`."""
    given = frozenset(scopes)
    return given.union(*(_INCLUDED.get(scope, frozenset()) for scope in given))


_RANKS = {role: rank for rank, role in enumerate(Role)}


def includes(role: Role, other: Role) -> bool:
    """Whether a role allows at least what the other allows."""
    return _RANKS[role] >= _RANKS[other]


def roles_with(scope: Scope) -> tuple[Role, ...]:
    """The roles that have a scope."""
    return tuple(role for role in Role if scope in SCOPES_OF_ROLE[role])


def role_with(scope: Scope) -> Role:
    """The lowest role that has a scope."""
    return roles_with(scope)[0]


class Credential(StrEnum):
    """The kind of credential that the caller used."""

    SESSION = "session"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller with access to one workspace."""

    workspace_id: UUID
    user_id: UUID
    """The user of the session or of the personal key. For a service key: the member that created it."""
    credential: Credential
    key_id: UUID | None
    session_id: UUID | None
    role: Role | None
    """The user's role in the workspace. None for a service key, which has only scopes."""
    scopes: frozenset[Scope]
    """What the caller can do. For users: only what their role allows."""
    is_admin: bool
    """Whether the caller is an administrator of the server, with a session."""
    plan: str
    """Name of the workspace's plan, at most 5 seconds old."""

    @property
    def principal_id(self) -> UUID:
        """What the caller acts as: a user, or the workspace with a service key."""
        return self.workspace_id if self.role is None else self.user_id
