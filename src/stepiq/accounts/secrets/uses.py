"""Which pipelines use which secrets, and when runs last used each secret."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.secrets import queries
from stepiq.core import clock
from stepiq.core.concurrency import tasks
from stepiq.core.errors import StepIQError
from stepiq.core.observability import logging
from stepiq.store.database import Database, Session

log = logging.get(__name__)

_MOST_PIPELINES = 1_000
_NOTE_INTERVAL = timedelta(minutes=1)
_NOTED = 10_000


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


class SecretNotes:
    """Records when secrets are used, accurate to the minute, without delaying their use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: OrderedDict[UUID, datetime] = OrderedDict()
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, secret_ids: Collection[UUID]) -> None:
        """Record that these secrets are used now."""
        now = clock.now()
        due = [each for each in secret_ids if self._is_due(each, now)]
        if not due:
            return
        for each in due:
            self._noted[each] = now
            self._noted.move_to_end(each)
        while len(self._noted) > _NOTED:
            self._noted.popitem(last=False)
        task = asyncio.create_task(self._write(due, now))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def settle(self) -> None:
        """Wait until everything is recorded."""
        await tasks.finish(self._writing)

    def _is_due(self, secret_id: UUID, now: datetime) -> bool:
        noted = self._noted.get(secret_id)
        return noted is None or now - noted >= _NOTE_INTERVAL

    async def _write(self, secret_ids: Collection[UUID], now: datetime) -> None:
        try:
            async with self._database.transaction() as session:
                await queries.touch(session, sorted(secret_ids), now, now - _NOTE_INTERVAL)
        except StepIQError as error:
            # The date is not essential.
            log.warning("secret_use_not_recorded", code=error.code)
