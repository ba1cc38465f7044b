"""Callbacks from pipelines to the layers above them. `server.app` provides the implementation."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.language.definitions.compiled import Definition
from stepiq.store.database import Session


class Watcher(Protocol):
    """Receives changes of pipelines, in the transactions that make them."""

    async def version_saved(
        self, session: Session, actor: Actor, pipeline_id: UUID, definition: Definition
    ) -> None:
        """Called before a version is stored, which new runs use from then on."""
        ...

    async def resuming(self, session: Session, pipeline_id: UUID, paused_at: datetime) -> None:
        """Called before a paused pipeline is resumed."""
        ...

    async def archived(self, session: Session, pipeline_id: UUID) -> None:
        """Called when the pipeline has been archived and can no longer be triggered."""
        ...

    async def restoring(self, session: Session, pipeline_id: UUID) -> None:
        """Called before the pipeline is restored, to lock what `restored` changes before quotas are locked."""
        ...

    async def restored(self, session: Session, actor: Actor, pipeline_id: UUID) -> None:
        """Called when the pipeline has been restored and can be triggered again."""
        ...
