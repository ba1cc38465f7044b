"""What the engine asks of the layers above it; `server.assembly` hands in who answers."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from stepiq.engine.journal import Ending
from stepiq.engine.records import ClaimedRun
from stepiq.store.database import Session


class SecretReader(Protocol):
    """Stored secrets, in the clear."""

    async def read(
        self, session: Session, *, workspace_id: UUID, pipeline_id: UUID, names: Collection[str]
    ) -> dict[str, str]:
        """Values by name: the pipeline's own before the workspace's; names that are not stored are absent."""
        ...


class Outbox(Protocol):
    """What leaves after a run."""

    async def run_ended(self, session: Session, run: ClaimedRun, ending: Ending) -> None:
        """Record, in the transaction that ends the run, what has to be sent."""
        ...
