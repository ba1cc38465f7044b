"""Turns on the event loop that note who took them."""

from stepiq.core.concurrency.fairness import Owner
from stepiq.core.concurrency.turns import LoopTurns


class NotedTurns(LoopTurns):
    """`taken` contains the owner of each turn, and `waited` the seconds that its work had waited, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Owner] = []
        self.waited: list[float] = []

    async def take(self, owner: Owner, waited_seconds: float = 0.0) -> None:
        self.taken.append(owner)
        self.waited.append(waited_seconds)
        await super().take(owner, waited_seconds)
