"""What the engine asks of the layers above it; `server.assembly` hands in who answers."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from stepiq.execution.records import ClaimedRun, Ending, NewDelivery, NewReview
from stepiq.store.database import Session


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret and where it may be sent."""

    value: str = field(repr=False)
    hosts: tuple[str, ...] | None = None
    """None for every host."""


class SecretReader(Protocol):
    """Stored secrets, in the clear."""

    async def read(
        self, session: Session, *, workspace_id: UUID, pipeline_id: UUID, names: Collection[str]
    ) -> dict[str, StoredSecret]:
        """By name: the pipeline's own before the workspace's; names that are not stored are absent."""
        ...


class Outbox(Protocol):
    """What leaves after a run."""

    async def run_ended(
        self, session: Session, run: ClaimedRun, ending: Ending
    ) -> Sequence[NewDelivery]:
        """Record, in the transaction that ends the run, what has to be sent; each of these gets a ticket there, too."""
        ...

    async def review_requested(
        self, session: Session, run: ClaimedRun, review: NewReview
    ) -> Sequence[NewDelivery]:
        """Record, in the transaction that asks a person, what has to be sent to them."""
        ...

    async def deliver(self, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        """Bring one delivery as far as it goes.

        Args:
            delivery_id: as its ticket says.
            stopping: set when the process stops: an attempt in flight may end, no further one begins.

        Returns:
            Whether it is done with; otherwise its ticket stays open, for the next start.
        """
        ...
