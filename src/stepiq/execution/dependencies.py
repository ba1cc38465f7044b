"""The shared services that calls of steps use."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakValueDictionary

from stepiq.core.concurrency.turns import LoopTurns
from stepiq.core.http import GuardedClient
from stepiq.execution.run_secrets import Maskers
from stepiq.execution.stubs import Stubs
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import Changes

if TYPE_CHECKING:
    from stepiq.sandbox.sandbox import Sandbox


class CreditTurns:
    """Serialises the attempts of a workspace's waiting calls to reserve credits."""

    def __init__(self) -> None:
        self._locks = WeakValueDictionary[UUID, asyncio.Lock]()

    def of(self, workspace_id: UUID) -> asyncio.Lock:
        """The lock of a workspace."""
        return self._locks.setdefault(workspace_id, asyncio.Lock())


@dataclass(slots=True)
class Dependencies:
    """The shared services that steps use. One instance per process."""

    database: Database
    providers: Providers
    http: GuardedClient
    changes: Changes
    credit_turns: CreditTurns = field(default_factory=CreditTurns)
    turns: LoopTurns = field(default_factory=LoopTurns)
    """Each claimed run takes a turn before it begins. So does each of its steps, except the first one executed."""
    maskers: Maskers = field(default_factory=Maskers)
    stubs: Stubs | None = None
    """Given results for steps, in tests of pipelines."""
    exports_traces: bool = False
    """Whether spans of the calls are exported later."""
    _sandbox: "Sandbox | None" = field(default=None, init=False)

    @property
    def sandbox(self) -> "Sandbox":
        """Runs code. Created for the first `code` step after a start of the engine."""
        if self._sandbox is None:
            from stepiq.sandbox.sandbox import Sandbox  # noqa: PLC0415

            self._sandbox = Sandbox()
        return self._sandbox

    async def close(self) -> None:
        """End the processes of the sandbox."""
        if self._sandbox is not None:
            await self._sandbox.close()
            self._sandbox = None
