"""Interfaces that the layers above the engine implement. `server.assembly` passes the implementations."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from stepiq.execution.records.run import ClaimedRun, Ending, NewDelivery, NewReview
from stepiq.store.database import Session


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A secret and the hosts to which it may be sent."""

    value: str = field(repr=False)
    hosts: tuple[str, ...] | None = None
    """None for all hosts."""
    id: UUID | None = None
    """None if it is not stored, such as in a test."""


class SecretReader(Protocol):
    """Reads stored secrets, decrypted."""

    async def read(
        self, session: Session, *, workspace_id: UUID, pipeline_id: UUID, names: Collection[str]
    ) -> dict[str, SecretValue]:
        """Secrets by name. A pipeline's secret overrides the workspace's. Names that are not stored are absent."""
        ...

    async def note_run(self, run: ClaimedRun, found: Mapping[str, SecretValue]) -> None:
        """Record that a run reads these secrets, before it uses them. It is durable when this returns.

        Raises:
            StoreUnavailable: it is unknown whether it was recorded.
        """
        ...

    async def settle(self) -> None:
        """Wait until the uses of secrets are recorded."""
        ...


class Outbox(Protocol):
    """Records and sends the deliveries of runs and reviews."""

    async def run_ended(
        self, session: Session, run: ClaimedRun, ending: Ending
    ) -> Sequence[NewDelivery]:
        """Record the deliveries of an ended run, in the transaction that ends it. The caller enqueues them."""
        ...

    async def review_requested(
        self, session: Session, run: ClaimedRun, review: NewReview
    ) -> Sequence[NewDelivery]:
        """Record the deliveries that request a review, in the transaction that records it. The caller enqueues them."""
        ...

    async def deliver(self, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        """Attempt one delivery until it succeeds or finally fails, or the process stops.

        Args:
            delivery_id: the subject of the ticket.
            stopping: set when the process stops. An attempt in flight may end; no further attempt begins.

        Returns:
            Whether the delivery is finished. Otherwise, its ticket stays open for the next start.
        """
        ...
