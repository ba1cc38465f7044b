"""Streams that signal when listeners leave."""

import asyncio
from uuid import UUID

from stepiq.runs.streams.listeners import Streams
from stepiq.store.pubsub import Changes


class ObservedStreams(Streams):
    """The production class, with an event `left` that is set whenever a listener leaves."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes)
        self.left = asyncio.Event()

    def leave(self, workspace_id: UUID) -> None:
        super().leave(workspace_id)
        self.left.set()

    async def only(self, count: int, workspace_id: UUID) -> None:
        """Wait until a workspace has at most `count` listeners."""
        while self.count(workspace_id) > count:
            self.left.clear()
            await self.left.wait()
