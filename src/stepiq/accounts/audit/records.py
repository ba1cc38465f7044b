"""Entries of the audit log in Python, and the hash chain: the hash of an entry covers its content, its place, and the hash before it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.core import clock
from stepiq.core.json import Json

SERVER_CHAIN = UUID(int=0)
"""Id of the chain of entries without a workspace."""
FIRST = "0" * 64
"""The hash before the first entry."""

Facts = Mapping[str, Json]
"""Fields by name. They must never contain a secret, or data of runs."""


@dataclass(frozen=True, slots=True)
class By:
    """An actor without an authenticated request."""

    kind: ActorKind
    workspace_id: UUID | None = None
    """The workspace in whose log it acts; None for the server's."""
    id: UUID | None = None
    name: str | None = None


OPERATOR = By(ActorKind.OPERATOR)
"""The operator of the server, on its command line."""


def operator_of(workspace_id: UUID | None) -> By:
    """The operator, who acts on one workspace."""
    return By(ActorKind.OPERATOR, workspace_id)


def person(user_id: UUID, email: str, workspace_id: UUID | None) -> By:
    """A person who has proved who they are, but has no session yet."""
    return By(ActorKind.PERSON, workspace_id, user_id, email)


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """What was acted on."""

    type: AuditTargetType
    id: UUID | str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be recorded."""

    id: UUID
    at: datetime
    workspace_id: UUID | None
    actor_kind: ActorKind
    actor_id: UUID | None
    actor_name: str | None
    """Default: the email address of the person, or the name of the service key or of the run's pipeline, with `actor_id`."""
    key_id: UUID | None
    client: str | None
    action: Action
    target: AuditTarget
    before: Facts | None
    after: Facts | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded entry."""

    id: UUID
    workspace_id: UUID | None
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    key_id: UUID | None
    key_name: str | None
    client: str | None
    action: str
    target_type: str
    target_id: str | None
    target_name: str | None
    before: Json
    after: Json
    sequence: int | None
    hash: str | None

    @property
    def chain_id(self) -> UUID:
        """The chain that contains it."""
        return self.workspace_id or SERVER_CHAIN

    def content(self, sequence: int | None = None) -> dict[str, Json]:
        """The entry as the API, exports and hashes have it, without its hash."""
        key: Json = None
        if self.key_id is not None:
            key = {"id": str(self.key_id), "name": self.key_name}
        return {
            "id": str(self.id),
            "workspace_id": _text(self.workspace_id),
            "sequence": self.sequence if sequence is None else sequence,
            "at": clock.iso(self.at),
            "actor": {
                "kind": self.actor_kind,
                "id": _text(self.actor_id),
                "name": self.actor_name,
                "key": key,
            },
            "client": self.client,
            "action": self.action,
            "target": {
                "type": self.target_type,
                "id": self.target_id,
                "name": self.target_name,
            },
            "before": self.before,
            "after": self.after,
        }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Head:
    """The last sealed entry of a chain."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    def next(self, entry: Entry) -> "Head":
        """The head after one more entry.

        Its hash is SHA-256 over the hash before, a line break, and the entry as JSON with sorted names, without spaces.
        """
        sequence = self.sequence + 1
        canonical = json.dumps(
            entry.content(sequence), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        digest = hashlib.sha256(f"{self.hash}\n{canonical}".encode()).hexdigest()
        return Head(sequence, digest)


@dataclass(frozen=True, slots=True)
class Chain:
    """The ends of a chain."""

    id: UUID
    head: Head
    deleted: Head
    """The last entry that retention has deleted. Sequence 0 if there is none."""
    sealed_at: datetime | None
    """When the last entry was sealed. None: the chain is empty."""

    @classmethod
    def empty(cls, chain_id: UUID) -> "Chain":
        """A chain without entries."""
        return cls(chain_id, Head(0, FIRST), Head(0, FIRST), None)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list. None: all."""

    actions: Sequence[Action] = ()
    actor: UUID | None = None
    """A person, key or run."""
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""


class Fault(StrEnum):
    """Why a chain is not intact."""

    CHANGED = "changed"
    """An entry does not match its hash: it was changed, replaced or moved."""
    MISSING = "missing"
    """An entry is missing."""
    REPEATED = "repeated"
    """Two entries have the same place."""
    TRUNCATED = "truncated"
    """The last entries are missing."""
    UNEXPECTED_HEAD = "unexpected_head"
    """The chain does not contain the head that was expected."""
    HEAD_DELETED = "head_deleted"
    """The expected head is older than the entries that are kept, so it cannot be checked."""


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The result of checking a chain, or a part of it."""

    chain_id: UUID
    entries: int
    """Entries checked."""
    fault: Fault | None
    fault_at: int | None
    """The place at which the fault was found."""
    head: Head | None
    """The last entry that was checked, or the last one of the chain if it has no fault. None: the chain is empty."""
    deleted: int
    """Place of the last entry that retention has deleted; 0: none."""
    unsealed: int
    """Entries that are not part of the chain yet."""
    is_complete: bool = True
    """Whether the check reached the end of the chain."""
