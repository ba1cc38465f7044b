"""What pipelines tell the layers above them; `server.app` hands in who listens."""

from typing import Protocol
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.language.definition import Definition
from stepiq.store.database import Session


class Watcher(Protocol):
    """Who keeps something in step with pipelines, in the transactions that change them."""

    async def version_saved(
        self, session: Session, actor: Actor, pipeline_id: UUID, definition: Definition
    ) -> None:
        """A version was stored, and is the one that runs use from now on."""
        ...

    async def archived(self, session: Session, pipeline_id: UUID) -> None:
        """Nothing may trigger the pipeline any more."""
        ...

    async def restoring(self, session: Session, pipeline_id: UUID) -> None:
        """It is about to be restored: lock what `restored` changes, before quotas are locked."""
        ...

    async def restored(self, session: Session, actor: Actor, pipeline_id: UUID) -> None:
        """It may be triggered again."""
        ...
