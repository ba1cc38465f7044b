"""Decides which transactions of a process get a connection next."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

from stepiq.core.concurrency.fairness import FairSemaphore, Owner, current_owner
from stepiq.store.connections import answer_time

_READY = 2
"""Transactions of a group that can wait for the writer at once. With one, the writer would be idle after each of them."""


def _owner() -> Owner:
    # The server's own transactions combine work for many workspaces, so each of them is a separate owner. So is each
    # transaction before a request is authenticated.
    return current_owner() or object()


class SharedPlaces:
    """Several places. Workspaces take turns."""

    def __init__(
        self, size: int, share: int | None = None, within: "SharedPlaces | None" = None
    ) -> None:
        """Create places, of which one workspace has at most `share`. Each of them also takes a place of `within`."""
        self._places = FairSemaphore(size, share=share, counts_use=False)
        self._within = within

    @asynccontextmanager
    async def place(self, *, urgent: bool = False) -> AsyncGenerator[None]:
        """Wait for a place, and release it at the end. Urgent callers get every second place of their workspace."""
        outer = nullcontext() if self._within is None else self._within.place(urgent=urgent)
        async with self._places.place(_owner(), urgent=urgent), outer:
            yield


class WriterPlace:
    """One place. Requests take turns with all other work, and in both groups, workspaces take turns.

    The other work has a handful of transactions at a time, each of which combines what waits at that moment. A workspace
    can send many requests at once. If each transaction or workspace had the same share, either a few requests would get
    little, or many workspaces would delay all runs.
    """

    def __init__(self) -> None:
        self._writer = FairSemaphore(1, counts_use=False)
        self._requests = SharedPlaces(_READY)
        self._other_work = SharedPlaces(_READY)

    @asynccontextmanager
    async def place(self, *, urgent: bool = False) -> AsyncGenerator[None]:
        """Wait for the place, and release it at the end. Urgent callers get every second turn of their workspace."""
        group = self._requests if answer_time.is_answering() else self._other_work
        async with group.place(urgent=urgent), self._writer.place(group):
            yield
