"""Stores, deletes and lists secrets."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.accounts.secrets import queries
from stepiq.core import clock, ids
from stepiq.core.errors import Conflict, NotFound
from stepiq.core.json import Json
from stepiq.core.keys.encryption import Keyring, Owner
from stepiq.execution.limits import quotas
from stepiq.redaction.masking import MIN_LENGTH
from stepiq.store.database import Session


class SecretNotFound(NotFound):
    """The workspace or pipeline has no such secret."""

    code = "secret_not_found"

    def __init__(self, secret: str) -> None:
        super().__init__(f"Secret `{secret[:100]}` does not exist.")


class TooManySecrets(Conflict):
    """The workspace has reached the maximum number of secrets."""

    code = "too_many_secrets"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The workspace has {limit:,} secrets, including those of its pipelines. This is the limit. Delete one first.",
            limit=limit,
        )


_MOST_PIPELINES = 1_000
MAX_SECRETS = 1_000
"""Maximum secrets of one workspace, including those of its pipelines."""

_TOO_SHORT = (
    f"The value has fewer than {MIN_LENGTH} characters, which is too short to mask. If a template or a model outputs it, "
    "anyone who can read the run can read it."
)
_NO_HOSTS = (
    "The secret has no `hosts`, so pipelines can send it to any host. To limit it, store it again with the hosts that need it, "
    'such as `"hosts": ["api.example.com"]`.'
)


class Unchanged(Enum):
    """Type of the marker for an omitted field."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing a secret."""

    row: Any
    is_new: bool
    warning: str | None


async def store(
    session: Session,
    actor: Actor,
    keyring: Keyring,
    *,
    pipeline_id: UUID | None,
    name: str,
    value: str,
    hosts: Sequence[str] | Unchanged | None = UNCHANGED,
) -> Stored:
    """Store a secret, or a new value of one. Runs that begin later use it.

    Without a `pipeline_id`, it is for the whole workspace; the caller has checked that the pipeline is the actor's, and that
    the name is valid. `hosts`: None for every host. If omitted, a stored secret keeps its hosts.

    Raises:
        TooManySecrets: the workspace has reached the maximum.
    """
    scope_id = pipeline_id or actor.workspace_id
    while True:
        found = await queries.lock(session, actor.workspace_id, scope_id, name)
        version = 1 if found is None else found.version + 1
        owner = Owner(actor.workspace_id, scope_id, name, version)
        sealed, now = keyring.seal(value, owner), clock.now()
        listed = _listed(hosts, found)
        warning = _warning(value, listed)
        if found is not None:
            row = await queries.update(
                session, found.id, version=version, sealed=sealed, hosts=listed, now=now
            )
            await _record(session, actor, Action.SECRET_UPDATED, row, before=found, after=row)
            return Stored(row, is_new=False, warning=warning)
        await quotas.lock(session, actor.workspace_id, "secrets")
        if await queries.count(session, actor.workspace_id) >= MAX_SECRETS:
            raise TooManySecrets(MAX_SECRETS)
        row = await queries.insert(
            session,
            secret_id=ids.uuid7(),
            owner=owner,
            pipeline_id=pipeline_id,
            sealed=sealed,
            hosts=listed,
            now=now,
        )
        # None: a concurrent transaction has just stored the name, so retry as an update.
        if row is not None:
            await _record(session, actor, Action.SECRET_CREATED, row, after=row)
            return Stored(row, is_new=True, warning=warning)


def _listed(hosts: Sequence[str] | Unchanged | None, found: Any) -> Sequence[str] | None:
    if not isinstance(hosts, Unchanged):
        return hosts
    return None if found is None else found.hosts


def _warning(value: str, hosts: Sequence[str] | None) -> str | None:
    """Warnings for the owner of a stored secret, in one text."""
    found = (
        _TOO_SHORT if len(value) < MIN_LENGTH else _odd(value),
        _NO_HOSTS if hosts is None else None,
    )
    return " ".join(filter(None, found)) or None


def _odd(value: str) -> str | None:
    """A warning about characters that were probably copied by mistake."""
    if value != value.strip():
        return "The value begins or ends with whitespace, which is now part of the secret. To remove it, store the secret again."
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return "The value is in quotes, which are now part of the secret. To remove them, store the secret again."
    if value.lower().startswith("bearer "):
        return "The value begins with `Bearer `, which is now part of the secret. Usually only the key is needed."
    return None


async def delete(session: Session, actor: Actor, *, pipeline_id: UUID | None, secret: str) -> UUID:
    """Delete a secret by its id or name. Runs that have begun keep the values they have read.

    Raises:
        SecretNotFound: the pipeline or workspace has no secret with that name or id.
    """
    found = await queries.delete(
        session,
        actor.workspace_id,
        pipeline_id,
        secret_id=_as_id(secret),
        name=secret,
    )
    if found is None:
        raise SecretNotFound(secret)
    await _record(session, actor, Action.SECRET_DELETED, found, before=found)
    return found.id


async def _record(
    session: Session,
    actor: Actor,
    action: Action,
    row: Any,
    *,
    before: Any = None,
    after: Any = None,
) -> None:
    """Record an action on the secret of a row, with its hosts. The value is not recorded."""
    await audit.record(
        session,
        actor,
        action,
        AuditTarget(AuditTargetType.SECRET, row.id, row.name),
        before=_facts(before),
        after=_facts(after),
    )


def _facts(row: Any) -> dict[str, Json] | None:
    if row is None:
        return None
    pipeline_id = None if row.pipeline_id is None else str(row.pipeline_id)
    hosts = None if row.hosts is None else list(row.hosts)
    return {"pipeline_id": pipeline_id, "version": row.version, "hosts": hosts}


async def stored_names(
    session: Session, workspace_id: UUID, names: Collection[str], pipeline_id: UUID | None = None
) -> frozenset[str]:
    """The names that are stored as secrets, for a pipeline or, without one, for the whole workspace."""
    if not names:
        return frozenset()
    rows = await queries.stored(session, workspace_id, pipeline_id, names)
    return frozenset(row.name for row in rows)


def _as_id(secret: str) -> UUID | None:
    # Names contain no dashes, so they cannot be mistaken for ids.
    if len(secret) != len("00000000-0000-0000-0000-000000000000"):
        return None
    try:
        return UUID(secret) if secret.count("-") == 4 else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class UsingPipeline:
    """A pipeline that uses a secret."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class SecretUse:
    """The active pipelines whose newest versions use a secret of the workspace, or a secret that is not stored."""

    stored: dict[str, list[UsingPipeline]] = field(
        default_factory=lambda: defaultdict[str, list[UsingPipeline]](list)
    )
    missing: dict[str, list[UsingPipeline]] = field(
        default_factory=lambda: defaultdict[str, list[UsingPipeline]](list)
    )


async def uses(session: Session, actor: Actor) -> SecretUse:
    """The uses of secrets by the newest 1,000 active pipelines of the workspace.

    A pipeline with its own secret of the same name does not use the workspace's.
    """
    found = SecretUse()
    names = await queries.names(session, actor.workspace_id)
    for row in await queries.using_pipelines(session, actor.workspace_id, _MOST_PIPELINES):
        pipeline = UsingPipeline(row.id, row.name)
        for name in row.secret_names:
            if (row.id, name) not in names:
                uses_account = (None, name) in names
                (found.stored if uses_account else found.missing)[name].append(pipeline)
    return found
