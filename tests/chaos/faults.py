"""Injects the planned faults, and records when each of them began and ended."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from tests.chaos.cluster import Cluster
from tests.chaos.nodes import Node, Role
from tests.chaos.plan import Fault, FaultKind
from tests.chaos.proxy import Cut

_ABOUT = (b"INSERT INTO runs ", b"INSERT INTO run_events", b"deliver", b"idempotent_requests", b"")
"""SQL of the transactions that lose their connection: a new run, a step, a delivery, a saved response, or any."""


class Faults:
    """Injects faults into a cluster, and repairs them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ledger = cluster.ledger
        self._going: set[asyncio.Task[None]] = set()
        self._store = asyncio.Lock()
        self.kills = 0

    async def strike(self, fault: Fault) -> None:
        """Inject a fault. It is repaired in the background."""
        kind = fault.kind
        if kind in (FaultKind.KILL_API, FaultKind.KILL_WORKER, FaultKind.TERMINATE):
            await self._end(fault)
        elif kind is FaultKind.PAUSE:
            node = self._cluster.choose(lambda n: n.role.carries and n.is_ready, fault.pick)
            if node is not None:
                self._go(self._pause(node, fault.seconds))
        elif kind in (FaultKind.KILL_STORE, FaultKind.KILL_BACKEND):
            # Not during the recovery from the previous kill, because the two would count as one.
            async with self._store:
                await self._kill_store(fault)
        elif kind in (FaultKind.REFUSE, FaultKind.HOLD):
            self._go(self._shut(kind, fault.seconds))
        elif kind is FaultKind.CUT_ALL:
            await self._cut_all()
        else:
            self._go(self._cut_commit(fault))

    async def mended(self) -> None:
        """Wait until all faults are repaired and all processes are ready."""
        await asyncio.gather(*self._going)
        await self._cluster.until_ready()

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._going.add(task)

    async def _end(self, fault: Fault) -> None:
        node = self._target(fault)
        while node is None or not (node.is_ready or fault.is_early):
            # There is no target. Wait until the next process is up.
            await asyncio.sleep(0.05)
            node = self._target(fault)
        kills = fault.kind.is_kill
        node.rest_seconds = fault.seconds
        if not node.signal(signal.SIGKILL if kills else signal.SIGTERM):
            return
        self.kills += kills
        struck = self._ledger.note("fault", fault=fault.kind, node=node.name)
        self._go(self._came_back(node, struck))

    def _target(self, fault: Fault) -> Node | None:
        def wanted(node: Node) -> bool:
            if fault.kind is FaultKind.KILL_API:
                return node.role is Role.API
            return node.role.carries if fault.kind is FaultKind.KILL_WORKER else True

        return self._cluster.choose(wanted, fault.pick)

    async def _came_back(self, node: Node, struck: dict[str, Any]) -> None:
        await node.until_ready()
        self._mend(struck)

    async def _pause(self, node: Node, seconds: float) -> None:
        node.is_paused = True
        struck = self._ledger.note("fault", fault=FaultKind.PAUSE, node=node.name)
        node.signal(signal.SIGSTOP)
        process = node.process
        await asyncio.sleep(seconds)
        if node.process is process:
            node.signal(signal.SIGCONT)
            node.is_paused = False
        self._mend(struck)

    async def _kill_store(self, fault: Fault) -> None:
        store = self._cluster.store
        assert store is not None
        await store.until_ready()
        if fault.kind is FaultKind.KILL_BACKEND:
            if not store.kill_backend(fault.pick):
                return
            struck = self._ledger.note("fault", fault=fault.kind, node="postgresql")
            await store.until_ready()
        else:
            struck = self._ledger.note("fault", fault=fault.kind, node="postgresql")
            await store.kill()
            await asyncio.sleep(fault.seconds)
            await store.start()
        self.kills += 1
        self._mend(struck)

    async def _shut(self, kind: FaultKind, seconds: float) -> None:
        proxy = self._cluster.proxy
        assert proxy is not None
        async with self._store:
            struck = self._ledger.note("fault", fault=kind, node="proxy")
            if kind is FaultKind.REFUSE:
                proxy.refuse()
                await asyncio.sleep(seconds)
                await proxy.start()
            else:
                proxy.hold()
                await asyncio.sleep(seconds)
                proxy.release()
            self._mend(struck)

    async def _cut_all(self) -> None:
        proxy = self._cluster.proxy
        assert proxy is not None
        struck = self._ledger.note("fault", fault=FaultKind.CUT_ALL, node="proxy")
        proxy.cut_all()
        self._mend(struck)

    async def _cut_commit(self, fault: Fault) -> None:
        proxy = self._cluster.proxy
        assert proxy is not None
        where = Cut.AFTER if fault.kind is FaultKind.CUT_COMMIT else Cut.BEFORE
        about = _ABOUT[int(fault.pick * len(_ABOUT))]
        if await proxy.cut_commit(where, about):
            struck = self._ledger.note(
                "fault", fault=fault.kind, node="proxy", about=about.decode()
            )
            self._mend(struck)

    def _mend(self, struck: dict[str, Any]) -> None:
        self._ledger.note(
            "mended",
            fault_at=struck["at"],
            node=struck["node"],
            resumes=struck["fault"] == FaultKind.PAUSE,
        )
