"""Turns on the event loop that note who took them."""

from stepiq.core.fairness import LoopTurns, Owner


class NotedTurns(LoopTurns):
    """`taken` contains the owner of each turn, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Owner] = []

    async def take(self, owner: Owner) -> None:
        self.taken.append(owner)
        await super().take(owner)
