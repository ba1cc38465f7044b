"""Records entries in the audit log, in the transaction of the action.

Use it in every operation that changes something:

    await audit.record(session, actor, Action.PIPELINE_ARCHIVED, pipeline_target(pipeline))

Entries must not contain secrets, tokens, passwords, or data of runs: `before` and `after` name the changed fields that
can be shown to every administrator of the workspace.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final
from uuid import UUID

from stepiq.accounts.actor import Actor, Credential
from stepiq.accounts.audit import queries
from stepiq.accounts.audit.actions import Action, ActorKind
from stepiq.accounts.audit.records import AuditTarget, By, Facts, NewEntry
from stepiq.core import clock, ids
from stepiq.core.control_characters import storable
from stepiq.core.json import Json
from stepiq.store.database import Database, Session
from stepiq.store.write_batching import WriteBatcher
from stepiq.web import requests

LONGEST_TEXT = 500
"""Longest recorded text of a field, in characters."""
MOST_ITEMS = 50


class _Own(Enum):
    OWN = "own"


OWN: Final = _Own.OWN
"""The log of the actor's workspace."""


async def record(
    session: Session,
    by: Actor | By,
    action: Action,
    target: AuditTarget,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    workspace_id: UUID | _Own | None = OWN,
) -> None:
    """Record one entry. It exists if and only if the transaction is committed.

    `by` is the caller or another actor. `before` and `after` are the changed fields; None if there was nothing, or nothing is
    left. `workspace_id`: in whose log, if not in that of the actor; None for the server's.
    """
    await record_all(
        session,
        [new_entry(by, action, target, before=before, after=after, workspace_id=workspace_id)],
    )


async def record_all(session: Session, entries: Sequence[NewEntry]) -> None:
    """Record several entries in one statement."""
    if entries:
        await queries.insert(session, entries)


def new_entry(
    by: Actor | By,
    action: Action,
    target: AuditTarget,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    workspace_id: UUID | _Own | None = OWN,
) -> NewEntry:
    """An entry for `record_all`. The arguments are those of `record`."""
    kind, actor_id, name, key_id = _actor(by)
    return NewEntry(
        id=ids.uuid7(),
        at=clock.now(),
        workspace_id=by.workspace_id if workspace_id is OWN else workspace_id,
        actor_kind=kind,
        actor_id=actor_id,
        actor_name=name,
        key_id=key_id,
        client=None if kind in _NO_CLIENT else requests.client_address(),
        action=action,
        target=AuditTarget(target.type, target.id, _cut(target.name)),
        before=_small(before),
        after=_small(after),
    )


_NO_CLIENT = frozenset({ActorKind.RUN, ActorKind.OPERATOR})


def _actor(by: Actor | By) -> tuple[ActorKind, UUID | None, str | None, UUID | None]:
    if isinstance(by, By):
        return by.kind, by.id, by.name, None
    if by.credential is Credential.SESSION:
        return ActorKind.PERSON, by.user_id, None, None
    if by.role is None:
        # The person who created the key is not the one who acts.
        return ActorKind.SERVICE_KEY, by.key_id, None, by.key_id
    return ActorKind.PERSONAL_KEY, by.user_id, None, by.key_id


def changes(
    before: Mapping[str, Json], after: Mapping[str, Json]
) -> tuple[dict[str, Json], dict[str, Json]]:
    """The fields that differ, before and after."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def _small(facts: Facts | None) -> dict[str, Json] | None:
    return None if facts is None else {name: _cut_value(value) for name, value in facts.items()}


def _cut_value(value: Json) -> Json:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, list):
        kept: list[Json] = [_cut_value(each) for each in value[:MOST_ITEMS]]
        return kept if len(value) <= MOST_ITEMS else [*kept, "…"]
    return value


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_TEXT:
        return None if text is None else storable(text)
    return storable(text[:LONGEST_TEXT]) + "…"


class EntryBatcher:
    """Records entries of actions that have no transaction of their own, those of concurrent callers in one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher = WriteBatcher[Sequence[NewEntry], None](
            database, self._together, gives_up=True
        )

    async def record(self, entries: Sequence[NewEntry], workspace_id: UUID | None) -> None:
        """Record entries of one workspace. They are durable when this returns.

        Raises:
            StoreUnavailable: it is unknown whether they were recorded.
        """
        if entries:
            await self._batcher.add(entries, workspace_id)

    async def _together(self, batch: Sequence[Sequence[NewEntry]]) -> list[None]:
        async with self._database.transaction() as session:
            await queries.insert(session, [entry for entries in batch for entry in entries])
        return [None] * len(batch)
