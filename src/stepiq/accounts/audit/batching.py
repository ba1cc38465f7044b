"""Records entries of actions that have no transaction of their own, together with those of other callers."""

from collections.abc import Sequence
from uuid import UUID

from stepiq.accounts.audit import queries
from stepiq.accounts.audit.records import NewEntry
from stepiq.store.database import Database
from stepiq.store.write_batching import WriteBatcher
from stepiq.web.services import AppKey


class EntryBatcher:
    """Records entries of concurrent callers in one statement."""

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


AUDIT = AppKey[EntryBatcher]("audit")
