"""Tickets, and the queues and lanes in which they wait."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

FIRST = 3
"""Highest position of the tickets in the first lane."""


class Queue(StrEnum):
    """A kind of ticket. The backlog of one queue does not delay the other."""

    RUNS = "runs"
    DELIVERIES = "deliveries"

    @property
    def workflow(self) -> str:
        """Name of the DBOS workflow of its tickets, which identifies the queue in the library's tables."""
        return "carry" if self is Queue.RUNS else "deliver"

    @property
    def lanes(self) -> tuple[str, str]:
        """Names of its two queues in the library: for the first tickets of each workspace, and for all others."""
        return f"{self}-first", str(self)

    def lane(self, position: int) -> str:
        """The lane of a ticket at that position in the backlog of its workspace."""
        return self.lanes[position > FIRST]


@dataclass(frozen=True, slots=True)
class Ticket:
    """The n-th request to continue a run or a delivery."""

    subject_id: UUID
    number: int

    def __str__(self) -> str:
        return f"{self.subject_id}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> "Ticket":
        """Parse the output of `str`."""
        subject_id, _, number = text.partition(":")
        return cls(UUID(subject_id), int(number))
